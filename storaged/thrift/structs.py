"""The structs and enums of CodeChecker's API as Python sees them; a unit test holds them equal to `idl/`.

A struct is a dict of the fields that were set: any may be missing.
"""

from enum import IntEnum
from typing import TypedDict


class Ternary(IntEnum):
    BOTH = 0
    OFF = 1
    ON = 2


class ErrorCode(IntEnum):
    DATABASE = 0
    IOERROR = 1
    GENERAL = 2
    AUTH_DENIED = 3
    UNAUTHORIZED = 4
    API_MISMATCH = 5


class Permission(IntEnum):
    SUPERUSER = 1
    PERMISSION_VIEW = 2
    PRODUCT_ADMIN = 16
    PRODUCT_ACCESS = 17
    PRODUCT_STORE = 18
    PRODUCT_VIEW = 19


class DBStatus(IntEnum):
    OK = 0
    MISSING = 1
    FAILED_TO_CONNECT = 2
    SCHEMA_MISMATCH_OK = 3
    SCHEMA_MISMATCH_NO = 4
    SCHEMA_MISSING = 5
    SCHEMA_INIT_ERROR = 6
    SCHEMA_UPGRADE_FAILED = 7


class Confidentiality(IntEnum):
    CONFIDENTIAL = 0
    INTERNAL = 1
    OPEN = 2


class ProductSortMode(IntEnum):
    ACCESSRIGHT = 0
    NAMES_ASC = 1
    NAMES_DESC = 2
    RUNS_ASC = 3
    RUNS_DESC = 4
    LATEST_STORE_ASC = 5
    LATEST_STORE_DESC = 6


class DetectionStatus(IntEnum):
    NEW = 0
    RESOLVED = 1
    UNRESOLVED = 2
    REOPENED = 3
    OFF = 4
    UNAVAILABLE = 5


class DiffType(IntEnum):
    NEW = 0
    RESOLVED = 1
    UNRESOLVED = 2


class Encoding(IntEnum):
    DEFAULT = 0
    BASE64 = 1


class Order(IntEnum):
    ASC = 0
    DESC = 1


class ReportStatus(IntEnum):
    OUTSTANDING = 0
    CLOSED = 1


class ReviewStatus(IntEnum):
    UNREVIEWED = 0
    CONFIRMED = 1
    FALSE_POSITIVE = 2
    INTENTIONAL = 3


class Severity(IntEnum):
    UNSPECIFIED = 0
    STYLE = 10
    LOW = 20
    MEDIUM = 30
    HIGH = 40
    CRITICAL = 50


class SortType(IntEnum):
    FILENAME = 0
    CHECKER_NAME = 1
    SEVERITY = 2
    REVIEW_STATUS = 3
    DETECTION_STATUS = 4
    BUG_PATH_LENGTH = 5
    TIMESTAMP = 6
    TESTCASE = 7
    CHRONOLOGICAL_ORDER = 8


class RunSortType(IntEnum):
    NAME = 0
    UNRESOLVED_REPORTS = 1
    DATE = 2
    DURATION = 3
    CC_VERSION = 4


class StoreLimitKind(IntEnum):
    FAILURE_ZIP_SIZE = 0
    COMPILATION_DATABASE_SIZE = 1


class ExtendedReportDataType(IntEnum):
    NOTE = 0
    MACRO = 10
    FIXIT = 20


class CommentKind(IntEnum):
    USER = 0
    SYSTEM = 1


class ReviewStatusRuleSortType(IntEnum):
    REPORT_HASH = 0
    STATUS = 1
    AUTHOR = 2
    DATE = 3
    ASSOCIATED_REPORTS_COUNT = 4


class TaskStatus(IntEnum):
    ALLOCATED = 0
    ENQUEUED = 1
    RUNNING = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5
    DROPPED = 6


class RequestFailed(TypedDict, total=False):
    errorCode: ErrorCode
    message: str
    extraInfo: list[str]


class HandshakeInformation(TypedDict, total=False):
    requiresAuthentication: bool
    sessionStillActive: bool


class AuthorisationList(TypedDict, total=False):
    users: list[str]
    groups: list[str]


class PermissionFilter(TypedDict, total=False):
    given: bool
    canManage: bool


class SessionTokenData(TypedDict, total=False):
    token: str
    description: str
    lastAccess: str


class PersonalAccessToken(TypedDict, total=False):
    token: str
    name: str
    description: str
    lastAccess: str
    expiration: str


class Permissions(TypedDict, total=False):
    user: dict[str, list[str]]
    group: dict[str, list[str]]


class AccessControl(TypedDict, total=False):
    globalPermissions: Permissions
    productPermissions: dict[str, Permissions]


class DatabaseConnection(TypedDict, total=False):
    engine: str
    host: str
    port: int
    username_b64: str
    password_b64: str
    database: str


class ProductConfiguration(TypedDict, total=False):
    id: int
    endpoint: str
    displayedName_b64: str
    description_b64: str
    connection: DatabaseConnection
    runLimit: int
    isReviewStatusChangeDisabled: bool
    confidentiality: Confidentiality
    reportLimit: int


class Product(TypedDict, total=False):
    id: int
    endpoint: str
    displayedName_b64: str
    description_b64: str
    connected: bool
    accessible: bool
    administrating: bool
    databaseStatus: DBStatus
    runCount: int
    latestStoreToProduct: str
    runLimit: int
    admins: list[str]
    runStoreInProgress: list[str]
    confidentiality: Confidentiality
    reportLimit: int


class Pair(TypedDict, total=False):
    first: str
    second: str


class SourceFileData(TypedDict, total=False):
    fileId: int
    filePath: str
    fileContent: str
    hasBlameInfo: bool
    remoteUrl: str
    trackingBranch: str


class SortMode(TypedDict, total=False):
    type: SortType
    ord: Order


class RunSortMode(TypedDict, total=False):
    type: RunSortType
    ord: Order


class BugPathEvent(TypedDict, total=False):
    startLine: int
    startCol: int
    endLine: int
    endCol: int
    msg: str
    fileId: int
    filePath: str


class BugPathPos(TypedDict, total=False):
    startLine: int
    startCol: int
    endLine: int
    endCol: int
    fileId: int
    filePath: str


class ExtendedReportData(TypedDict, total=False):
    type: ExtendedReportDataType
    startLine: int
    startCol: int
    endLine: int
    endCol: int
    message: str
    fileId: int
    filePath: str


class CommentData(TypedDict, total=False):
    id: int
    author: str
    message: str
    createdAt: str
    kind: CommentKind


class ReportDetails(TypedDict, total=False):
    pathEvents: list[BugPathEvent]
    executionPath: list[BugPathPos]
    extendedData: list[ExtendedReportData]
    comments: list[CommentData]


class AnalyzerStatistics(TypedDict, total=False):
    version: str
    failed: int
    successful: int
    failedFilePaths: list[str]


class RunData(TypedDict, total=False):
    runId: int
    runDate: str
    name: str
    duration: int
    resultCount: int
    runCmd: str
    detectionStatusCount: dict[DetectionStatus, int]
    versionTag: str
    codeCheckerVersion: str
    analyzerStatistics: dict[str, AnalyzerStatistics]
    description: str


class SubmittedRunOptions(TypedDict, total=False):
    runName: str
    tag: str
    version: str
    force: bool
    trimPathPrefixes: list[str]
    description: str


class RunHistoryData(TypedDict, total=False):
    runId: int
    runName: str
    versionTag: str
    user: str
    time: str
    id: int
    checkCommand: str
    codeCheckerVersion: str
    analyzerStatistics: dict[str, AnalyzerStatistics]
    description: str


class DateInterval(TypedDict, total=False):
    before: int
    after: int


class RunHistoryFilter(TypedDict, total=False):
    tagNames: list[str]
    tagIds: list[int]
    stored: DateInterval


class RunTagCount(TypedDict, total=False):
    time: str
    name: str
    count: int
    id: int
    runName: str
    runId: int


class ReviewData(TypedDict, total=False):
    status: ReviewStatus
    comment: str
    author: str
    date: str
    isInSource: bool


class ReviewStatusRuleSortMode(TypedDict, total=False):
    type: ReviewStatusRuleSortType
    ord: Order


class ReviewStatusRuleFilter(TypedDict, total=False):
    reportHashes: list[str]
    reviewStatuses: list[ReviewStatus]
    authors: list[str]
    noAssociatedReports: bool


class ReviewStatusRule(TypedDict, total=False):
    reportHash: str
    reviewData: ReviewData
    associatedReportCount: int


class CommitAuthor(TypedDict, total=False):
    name: str
    email: str


class Commit(TypedDict, total=False):
    author: CommitAuthor
    summary: str
    message: str
    committedDateTime: str


class BlameData(TypedDict, total=False):
    startLine: int
    endLine: int
    commitHash: str


class BlameInfo(TypedDict, total=False):
    commits: dict[str, Commit]
    blame: list[BlameData]


class ReportData(TypedDict, total=False):
    runId: int
    checkerId: str
    bugHash: str
    checkedFile: str
    checkerMsg: str
    reportId: int
    fileId: int
    line: int
    column: int
    severity: Severity
    reviewData: ReviewData
    detectionStatus: DetectionStatus
    detectedAt: str
    fixedAt: str
    bugPathLength: int
    details: ReportDetails
    analyzerName: str
    annotations: dict[str, str]
    blameInfo: BlameInfo


class BugPathLengthRange(TypedDict, total=False):
    min: int
    max: int


class ReportDate(TypedDict, total=False):
    detected: DateInterval
    fixed: DateInterval


class ReportFilter(TypedDict, total=False):
    filepath: list[str]
    checkerMsg: list[str]
    checkerName: list[str]
    reportHash: list[str]
    severity: list[Severity]
    reviewStatus: list[ReviewStatus]
    detectionStatus: list[DetectionStatus]
    runHistoryTag: list[str]
    firstDetectionDate: int
    fixDate: int
    isUnique: bool
    runName: list[str]
    runTag: list[int]
    componentNames: list[str]
    bugPathLength: BugPathLengthRange
    date: ReportDate
    analyzerNames: list[str]
    openReportsDate: int
    cleanupPlanNames: list[str]
    fileMatchesAnyPoint: bool
    componentMatchesAnyPoint: bool
    annotations: list[Pair]
    reportStatus: list[ReportStatus]
    fullReportPathInComponent: bool


class FilterPreset(TypedDict, total=False):
    id: int
    name: str
    reportFilter: ReportFilter


class RunReportCount(TypedDict, total=False):
    runId: int
    name: str
    reportCount: int


class CheckerCount(TypedDict, total=False):
    name: str
    severity: Severity
    count: int


class CheckerStatusVerificationDetail(TypedDict, total=False):
    checkerName: str
    analyzerName: str
    severity: Severity
    enabled: list[int]
    disabled: list[int]
    closed: int
    outstanding: int
    unknown: list[int]


class RunFilter(TypedDict, total=False):
    ids: list[int]
    names: list[str]
    exactMatch: bool
    beforeTime: int
    afterTime: int
    beforeRun: str
    afterRun: str


class CompareData(TypedDict, total=False):
    runIds: list[int]
    diffType: DiffType
    runTag: list[int]
    openReportsDate: int


class LinesInFilesRequested(TypedDict, total=False):
    fileId: int
    lines: set[int]


class SourceComponentData(TypedDict, total=False):
    name: str
    value: str
    description: str


class AnalysisFailureInfo(TypedDict, total=False):
    runName: str


class ExportData(TypedDict, total=False):
    comments: dict[str, list[CommentData]]
    reviewData: dict[str, ReviewData]


class AnalysisInfoFilter(TypedDict, total=False):
    runId: int
    runHistoryId: int
    reportId: int


class AnalysisInfoChecker(TypedDict, total=False):
    enabled: bool


class AnalysisInfo(TypedDict, total=False):
    analyzerCommand: str
    checkers: dict[str, dict[str, AnalysisInfoChecker]]


class CleanupPlan(TypedDict, total=False):
    id: int
    name: str
    dueDate: int
    description: str
    closedAt: int
    reportHashes: list[str]


class CleanupPlanFilter(TypedDict, total=False):
    ids: list[int]
    names: list[str]
    isOpen: bool


class Checker(TypedDict, total=False):
    analyzerName: str
    checkerId: str


class Guideline(TypedDict, total=False):
    guidelineName: str


class Rule(TypedDict, total=False):
    ruleId: str
    title: str
    url: str
    checkers: list[str]
    level: str


class TaskInfo(TypedDict, total=False):
    token: str
    taskKind: str
    status: TaskStatus
    productId: int
    actorUsername: str
    summary: str
    comments: str
    enqueuedAtEpoch: int
    startedAtEpoch: int
    completedAtEpoch: int
    lastHeartbeatEpoch: int
    cancelFlagSet: bool


class AdministratorTaskInfo(TypedDict, total=False):
    normalInfo: TaskInfo
    machineId: str
    statusConsumed: bool


class TaskFilter(TypedDict, total=False):
    tokens: list[str]
    machineIDs: list[str]
    kinds: list[str]
    statuses: list[TaskStatus]
    usernames: list[str]
    productIDs: list[int]
    enqueuedBeforeEpoch: int
    enqueuedAfterEpoch: int
    startedBeforeEpoch: int
    startedAfterEpoch: int
    completedBeforeEpoch: int
    completedAfterEpoch: int
    heartbeatBeforeEpoch: int
    heartbeatAfterEpoch: int
    cancelFlag: Ternary
    consumedFlag: Ternary
