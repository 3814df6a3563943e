// Runs and reports of one product, and their store.

include "shared.thrift"

enum DetectionStatus {
    NEW = 0,
    RESOLVED = 1,
    UNRESOLVED = 2,
    REOPENED = 3,
    OFF = 4,
    UNAVAILABLE = 5,
}

enum DiffType {
    NEW = 0,
    RESOLVED = 1,
    UNRESOLVED = 2,
}

enum Encoding {
    DEFAULT = 0,
    BASE64 = 1,
}

enum Order {
    ASC = 0,
    DESC = 1,
}

enum ReportStatus {
    OUTSTANDING = 0,
    CLOSED = 1,
}

enum ReviewStatus {
    UNREVIEWED = 0,
    CONFIRMED = 1,
    FALSE_POSITIVE = 2,
    INTENTIONAL = 3,
}

enum Severity {
    UNSPECIFIED = 0,
    STYLE = 10,
    LOW = 20,
    MEDIUM = 30,
    HIGH = 40,
    CRITICAL = 50,
}

enum SortType {
    FILENAME = 0,
    CHECKER_NAME = 1,
    SEVERITY = 2,
    REVIEW_STATUS = 3,
    DETECTION_STATUS = 4,
    BUG_PATH_LENGTH = 5,
    TIMESTAMP = 6,
    TESTCASE = 7,
    CHRONOLOGICAL_ORDER = 8,
}

enum RunSortType {
    NAME = 0,
    UNRESOLVED_REPORTS = 1,
    DATE = 2,
    DURATION = 3,
    CC_VERSION = 4,
}

enum StoreLimitKind {
    FAILURE_ZIP_SIZE = 0,
    COMPILATION_DATABASE_SIZE = 1,
}

enum ExtendedReportDataType {
    NOTE = 0,
    MACRO = 10,
    FIXIT = 20,
}

enum CommentKind {
    USER = 0,
    SYSTEM = 1,
}

enum ReviewStatusRuleSortType {
    REPORT_HASH = 0,
    STATUS = 1,
    AUTHOR = 2,
    DATE = 3,
    ASSOCIATED_REPORTS_COUNT = 4,
}

struct Pair {
    1: string first
    2: string second
}

struct SourceFileData {
    1: i64 fileId
    2: string filePath
    3: string fileContent
    4: bool hasBlameInfo
    5: string remoteUrl
    6: string trackingBranch
}

struct SortMode {
    1: SortType type
    2: Order ord
}

struct RunSortMode {
    1: RunSortType type
    2: Order ord
}

struct BugPathEvent {
    1: i64 startLine
    2: i64 startCol
    3: i64 endLine
    4: i64 endCol
    5: string msg
    6: i64 fileId
    7: string filePath
}

struct BugPathPos {
    1: i64 startLine
    2: i64 startCol
    3: i64 endLine
    4: i64 endCol
    5: i64 fileId
    6: string filePath
}

struct ExtendedReportData {
    1: ExtendedReportDataType type
    2: i64 startLine
    3: i64 startCol
    4: i64 endLine
    5: i64 endCol
    6: string message
    7: i64 fileId
    8: string filePath
}

struct CommentData {
    1: i64 id
    2: string author
    3: string message
    4: string createdAt
    5: CommentKind kind
}

struct ReportDetails {
    1: list<BugPathEvent> pathEvents
    2: list<BugPathPos> executionPath
    3: list<ExtendedReportData> extendedData
    4: list<CommentData> comments
}

struct AnalyzerStatistics {
    1: string version
    2: i64 failed
    3: i64 successful
    4: list<string> failedFilePaths
}

struct RunData {
    1: i64 runId
    2: string runDate
    3: string name
    4: i64 duration
    5: i64 resultCount
    6: string runCmd
    7: map<DetectionStatus, i32> detectionStatusCount
    8: string versionTag
    9: string codeCheckerVersion
    10: map<string, AnalyzerStatistics> analyzerStatistics
    11: string description
}

struct SubmittedRunOptions {
    1: string runName
    2: string tag
    3: string version
    4: bool force
    5: list<string> trimPathPrefixes
    6: string description
}

struct RunHistoryData {
    1: i64 runId
    2: string runName
    3: string versionTag
    4: string user
    5: string time
    6: i64 id
    7: string checkCommand
    8: string codeCheckerVersion
    9: map<string, AnalyzerStatistics> analyzerStatistics
    11: string description
}

struct DateInterval {
    1: i64 before
    2: i64 after
}

struct RunHistoryFilter {
    1: list<string> tagNames
    2: list<i64> tagIds
    3: DateInterval stored
}

struct RunTagCount {
    1: string time
    2: string name
    3: i64 count
    4: i64 id
    5: string runName
    6: i64 runId
}

struct ReviewData {
    1: ReviewStatus status
    2: string comment
    3: string author
    4: string date
    5: bool isInSource
}

struct ReviewStatusRuleSortMode {
    1: ReviewStatusRuleSortType type
    2: Order ord
}

struct ReviewStatusRuleFilter {
    1: list<string> reportHashes
    2: list<ReviewStatus> reviewStatuses
    4: list<string> authors
    5: bool noAssociatedReports
}

struct ReviewStatusRule {
    1: string reportHash
    2: ReviewData reviewData
    3: i64 associatedReportCount
}

struct CommitAuthor {
    1: string name
    2: string email
}

struct Commit {
    1: CommitAuthor author
    2: string summary
    3: string message
    4: string committedDateTime
}

struct BlameData {
    1: i64 startLine
    2: i64 endLine
    3: string commitHash
}

struct BlameInfo {
    1: map<string, Commit> commits
    2: list<BlameData> blame
}

struct ReportData {
    1: i64 runId
    2: string checkerId
    3: string bugHash
    4: string checkedFile
    5: string checkerMsg
    6: i64 reportId
    7: i64 fileId
    8: i64 line
    9: i64 column
    10: Severity severity
    11: ReviewData reviewData
    12: DetectionStatus detectionStatus
    13: string detectedAt
    14: string fixedAt
    15: i64 bugPathLength
    16: ReportDetails details
    17: string analyzerName
    18: map<string, string> annotations
    19: BlameInfo blameInfo
}

struct BugPathLengthRange {
    1: i64 min
    2: i64 max
}

struct ReportDate {
    1: DateInterval detected
    2: DateInterval fixed
}

struct ReportFilter {
    1: list<string> filepath
    2: list<string> checkerMsg
    3: list<string> checkerName
    4: list<string> reportHash
    5: list<Severity> severity
    6: list<ReviewStatus> reviewStatus
    7: list<DetectionStatus> detectionStatus
    8: list<string> runHistoryTag
    9: i64 firstDetectionDate
    10: i64 fixDate
    11: bool isUnique
    12: list<string> runName
    13: list<i64> runTag
    14: list<string> componentNames
    15: BugPathLengthRange bugPathLength
    16: ReportDate date
    17: list<string> analyzerNames
    18: i64 openReportsDate
    19: list<string> cleanupPlanNames
    20: bool fileMatchesAnyPoint
    21: bool componentMatchesAnyPoint
    22: list<Pair> annotations
    23: list<ReportStatus> reportStatus
    24: bool fullReportPathInComponent
}

struct FilterPreset {
    1: i64 id
    2: string name
    3: ReportFilter reportFilter
}

struct RunReportCount {
    1: i64 runId
    2: string name
    3: i64 reportCount
}

struct CheckerCount {
    1: string name
    2: Severity severity
    3: i64 count
}

struct CheckerStatusVerificationDetail {
    1: string checkerName
    2: string analyzerName
    3: Severity severity
    4: list<i64> enabled
    5: list<i64> disabled
    6: i64 closed
    7: i64 outstanding
    8: list<i64> unknown
}

struct RunFilter {
    1: list<i64> ids
    2: list<string> names
    3: bool exactMatch
    4: i64 beforeTime
    5: i64 afterTime
    6: string beforeRun
    7: string afterRun
}

struct CompareData {
    1: list<i64> runIds
    2: DiffType diffType
    3: list<i64> runTag
    4: i64 openReportsDate
}

struct LinesInFilesRequested {
    1: i64 fileId
    2: set<i64> lines
}

struct SourceComponentData {
    1: string name
    2: string value
    3: string description
}

struct AnalysisFailureInfo {
    1: string runName
}

struct ExportData {
    1: map<string, list<CommentData>> comments
    2: map<string, ReviewData> reviewData
}

struct AnalysisInfoFilter {
    1: i64 runId
    2: i64 runHistoryId
    3: i64 reportId
}

struct AnalysisInfoChecker {
    1: bool enabled
}

struct AnalysisInfo {
    1: string analyzerCommand
    2: map<string, map<string, AnalysisInfoChecker>> checkers
}

struct CleanupPlan {
    1: i64 id
    2: string name
    3: i64 dueDate
    4: string description
    5: i64 closedAt
    6: list<string> reportHashes
}

struct CleanupPlanFilter {
    1: list<i64> ids
    2: list<string> names
    3: bool isOpen
}

struct Checker {
    1: string analyzerName
    2: string checkerId
}

struct Guideline {
    1: string guidelineName
}

struct Rule {
    1: string ruleId
    2: string title
    3: string url
    4: list<string> checkers
    5: string level
}

service CodeCheckerService {
    i64 addCleanupPlan(1: string name, 2: string description, 3: i64 dueDate)
        throws (1: shared.RequestFailed requestError)
    bool addComment(1: i64 reportId, 2: CommentData comment) throws (1: shared.RequestFailed requestError)
    bool addReviewStatusRule(1: string reportHash, 2: ReviewStatus status, 3: string message)
        throws (1: shared.RequestFailed requestError)
    bool addSourceComponent(1: string name, 2: string value, 3: string description)
        throws (1: shared.RequestFailed requestError)
    bool allowsStoringAnalysisStatistics() throws (1: shared.RequestFailed requestError)
    bool changeReviewStatus(1: i64 reportId, 2: ReviewStatus status, 3: string message)
        throws (1: shared.RequestFailed requestError)
    bool closeCleanupPlan(1: i64 cleanupPlanId) throws (1: shared.RequestFailed requestError)
    i64 deleteFilterPreset(1: i64 id) throws (1: shared.RequestFailed requestError)
    ExportData exportData(1: RunFilter runFilter) throws (1: shared.RequestFailed requestError)
    list<AnalysisInfo> getAnalysisInfo(1: AnalysisInfoFilter analysisInfoFilter, 2: i64 limit, 3: i64 offset)
        throws (1: shared.RequestFailed requestError)
    map<string, AnalyzerStatistics> getAnalysisStatistics(1: i64 runId, 2: i64 runHistoryId)
        throws (1: shared.RequestFailed requestError)
    map<StoreLimitKind, i64> getAnalysisStatisticsLimits() throws (1: shared.RequestFailed requestError)
    map<string, i64> getAnalyzerNameCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData, 4: i64 limit, 5: i64 offset)
        throws (1: shared.RequestFailed requestError)
    BlameInfo getBlameInfo(1: i64 fileId) throws (1: shared.RequestFailed requestError)
    string getCheckCommand(1: i64 runHistoryId, 2: i64 runId) throws (1: shared.RequestFailed requestError)
    list<CheckerCount> getCheckerCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData, 4: i64 limit, 5: i64 offset)
        throws (1: shared.RequestFailed requestError)
    string getCheckerDoc(1: string checkerId) throws (1: shared.RequestFailed requestError)
    list<list<string>> getCheckerLabels(1: list<Checker> checkers)
    map<string, i64> getCheckerMsgCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData, 4: i64 limit, 5: i64 offset)
        throws (1: shared.RequestFailed requestError)
    map<i64, CheckerStatusVerificationDetail> getCheckerStatusVerificationDetails(
        1: list<i64> runIds, 2: ReportFilter reportFilter)
        throws (1: shared.RequestFailed requestError)
    list<CleanupPlan> getCleanupPlans(1: CleanupPlanFilter filter) throws (1: shared.RequestFailed requestError)
    i64 getCommentCount(1: i64 reportId) throws (1: shared.RequestFailed requestError)
    list<CommentData> getComments(1: i64 reportId) throws (1: shared.RequestFailed requestError)
    map<DetectionStatus, i64> getDetectionStatusCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData)
        throws (1: shared.RequestFailed requestError)
    list<string> getDiffResultsHash(
        1: list<i64> runIds,
        2: list<string> reportHashes,
        3: DiffType diffType,
        4: list<DetectionStatus> skipDetectionStatuses,
        5: list<i64> tagIds)
        throws (1: shared.RequestFailed requestError)
    map<string, list<AnalysisFailureInfo>> getFailedFiles(1: list<i64> runIds)
        throws (1: shared.RequestFailed requestError)
    i64 getFailedFilesCount(1: list<i64> runIds) throws (1: shared.RequestFailed requestError)
    map<string, i64> getFileCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData, 4: i64 limit, 5: i64 offset)
        throws (1: shared.RequestFailed requestError)
    map<string, map<string, i64>> getFileCountsSummary(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData, 4: i64 limit, 5: i64 offset)
        throws (1: shared.RequestFailed requestError)
    FilterPreset getFilterPreset(1: i64 id) throws (1: shared.RequestFailed requestError)
    map<string, list<Rule>> getGuidelineRules(1: list<Guideline> guidelines)
    map<i64, map<i64, string>> getLinesInSourceFileContents(
        1: list<LinesInFilesRequested> linesInFilesRequested, 2: Encoding encoding)
        throws (1: shared.RequestFailed requestError)
    list<string> getMissingContentHashes(1: list<string> fileHashes) throws (1: shared.RequestFailed requestError)
    list<string> getMissingContentHashesForBlameInfo(1: list<string> fileHashes)
        throws (1: shared.RequestFailed requestError)
    string getPackageVersion()
    ReportData getReport(1: i64 reportId) throws (1: shared.RequestFailed requestError)
    list<string> getReportAnnotations(2: list<i64> runIds, 3: ReportFilter reportFilter, 4: CompareData cmpData)
    ReportDetails getReportDetails(1: i64 reportId) throws (1: shared.RequestFailed requestError)
    map<ReportStatus, i64> getReportStatusCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData)
        throws (1: shared.RequestFailed requestError)
    map<ReviewStatus, i64> getReviewStatusCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData)
        throws (1: shared.RequestFailed requestError)
    list<ReviewStatusRule> getReviewStatusRules(
        1: ReviewStatusRuleFilter filter, 2: ReviewStatusRuleSortMode sortMode, 3: i64 limit, 4: i64 offset)
        throws (1: shared.RequestFailed requestError)
    i64 getReviewStatusRulesCount(1: ReviewStatusRuleFilter filter) throws (1: shared.RequestFailed requestError)
    i64 getRunCount(1: RunFilter runFilter) throws (1: shared.RequestFailed requestError)
    list<RunData> getRunData(1: RunFilter runFilter, 2: i64 limit, 3: i64 offset, 4: RunSortMode sortMode)
        throws (1: shared.RequestFailed requestError)
    list<RunHistoryData> getRunHistory(
        1: list<i64> runIds, 2: i64 limit, 3: i64 offset, 4: RunHistoryFilter runHistoryFilter)
        throws (1: shared.RequestFailed requestError)
    i64 getRunHistoryCount(1: list<i64> runIds, 2: RunHistoryFilter runHistoryFilter)
        throws (1: shared.RequestFailed requestError)
    list<RunTagCount> getRunHistoryTagCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData, 4: i64 limit, 5: i64 offset)
        throws (1: shared.RequestFailed requestError)
    list<RunReportCount> getRunReportCounts(
        1: list<i64> runIds, 2: ReportFilter reportFilter, 3: i64 limit, 4: i64 offset)
        throws (1: shared.RequestFailed requestError)
    i64 getRunResultCount(1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData)
        throws (1: shared.RequestFailed requestError)
    list<ReportData> getRunResults(
        1: list<i64> runIds,
        2: i64 limit,
        3: i64 offset,
        4: list<SortMode> sortType,
        5: ReportFilter reportFilter,
        6: CompareData cmpData,
        7: bool getDetails)
        throws (1: shared.RequestFailed requestError)
    map<Severity, i64> getSeverityCounts(1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData)
        throws (1: shared.RequestFailed requestError)
    list<SourceComponentData> getSourceComponents(1: list<string> sourceComponentFilter)
        throws (1: shared.RequestFailed requestError)
    SourceFileData getSourceFileData(1: i64 fileId, 2: bool fileContent, 3: Encoding encoding)
        throws (1: shared.RequestFailed requestError)
    string getSuppressFile() throws (1: shared.RequestFailed requestError)
    bool importData(1: ExportData exportData) throws (1: shared.RequestFailed requestError)
    bool isReviewStatusChangeDisabled() throws (1: shared.RequestFailed requestError)
    list<FilterPreset> listFilterPreset() throws (1: shared.RequestFailed requestError)
    i64 massStoreRun(
        1: string runName,
        2: string tag,
        3: string version,
        4: string zipfile,
        5: bool force,
        6: list<string> trimPathPrefixes,
        7: string description)
        throws (1: shared.RequestFailed requestError)
    string massStoreRunAsynchronous(1: string zipfileBlob, 2: SubmittedRunOptions storeOpts)
        throws (1: shared.RequestFailed requestError)
    bool removeCleanupPlan(1: i64 cleanupPlanId) throws (1: shared.RequestFailed requestError)
    bool removeComment(1: i64 commentId) throws (1: shared.RequestFailed requestError)
    bool removeReviewStatusRules(1: ReviewStatusRuleFilter filter) throws (1: shared.RequestFailed requestError)
    bool removeRun(1: i64 runId, 2: RunFilter runFilter) throws (1: shared.RequestFailed requestError)
    bool removeRunReports(1: list<i64> runIds, 2: ReportFilter reportFilter, 3: CompareData cmpData)
        throws (1: shared.RequestFailed requestError)
    bool removeRunResults(1: list<i64> runIds)
    bool removeSourceComponent(1: string name) throws (1: shared.RequestFailed requestError)
    i64 renameFilterPreset(1: i64 id, 2: string name) throws (1: shared.RequestFailed requestError)
    bool reopenCleanupPlan(1: i64 cleanupPlanId) throws (1: shared.RequestFailed requestError)
    bool setCleanupPlan(1: i64 cleanupPlanId, 2: list<string> reportHashes)
        throws (1: shared.RequestFailed requestError)
    bool storeAnalysisStatistics(1: string runName, 2: string zipfile) throws (1: shared.RequestFailed requestError)
    i64 storeFilterPreset(1: FilterPreset preset) throws (1: shared.RequestFailed requestError)
    bool unsetCleanupPlan(1: i64 cleanupPlanId, 2: list<string> reportHashes)
        throws (1: shared.RequestFailed requestError)
    bool updateCleanupPlan(1: i64 id, 2: string name, 3: string description, 4: i64 dueDate)
        throws (1: shared.RequestFailed requestError)
    bool updateComment(1: i64 commentId, 2: string newMessage) throws (1: shared.RequestFailed requestError)
    bool updateRunData(1: i64 runId, 2: string newRunName) throws (1: shared.RequestFailed requestError)
}
