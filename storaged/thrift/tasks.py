"""Jobs by the names of CodeChecker's clients: they call them tasks."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from storaged.api import jobs as native
from storaged.auth.permissions import Right
from storaged.database.sql import Connection
from storaged.errors import AlreadyEnded
from storaged.model import Comment, Job, JobKind, JobStatus, ProductId, Token
from storaged.queue import jobs
from storaged.queue.lists import JobFilter, list_jobs
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.structs import AdministratorTaskInfo, TaskFilter, TaskInfo, TaskStatus, Ternary

# A client that has stored asks at once, and then sleeps for 5 s and more: so long is an answer about a young job held.
HOLD_SECONDS: Final = 6.0
YOUNG_SECONDS: Final = 60.0
# There are no pages in this interface.
MOST_JOBS: Final = 10_000
PAGE: Final = 1000
FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)
LARGEST_PRODUCT_ID: Final = 2**31 - 1
COMMENT_SEPARATOR: Final = "\n----------\n"

# Scripts look for CodeChecker's.
KINDS: Final = {
    JobKind.STORE: "report_server::massStoreRunAsynchronous()",
    JobKind.DELETE_RUN: "report_server::removeRun()",
    JobKind.DUMMY: "TaskService::DummyTask",
}
LEGACY_STORE: Final = "report_server::massStoreRun()"
FLAGS: Final = {Ternary.BOTH: None, Ternary.OFF: False, Ternary.ON: True}


async def get_task_info(call: Call, token: str) -> TaskInfo:
    """The job; to who submitted it just now, as soon as it has ended, or some seconds have passed."""
    async with call.services.engine.connect() as conn:
        job = await jobs.get(conn, Token(token))
    if not _is_owner(call, job):
        return _info(job)
    if _is_young(job):
        job = await native.wait(call.request, job, HOLD_SECONDS)
    if native.is_there(call.request):
        call.services.told.note(job)
    return _info(job)


async def get_tasks(call: Call, filters: TaskFilter) -> list[AdministratorTaskInfo]:
    """All jobs that fit, the oldest first; too many are an error."""
    where = _job_filter(filters)
    if where is None:
        return []
    async with call.services.engine.connect() as conn:
        return await _list_all(conn, where)


async def _list_all(conn: Connection, where: JobFilter) -> list[AdministratorTaskInfo]:
    """In pages, between which others get their turn."""
    found: list[AdministratorTaskInfo] = []
    last = None
    while True:
        page = await list_jobs(conn, where, limit=PAGE, after_id=last)
        found += map(_administrator_info, page)
        if len(found) > MOST_JOBS:
            raise Refused(f"More than {MOST_JOBS} tasks fit: narrow the filters, or list them by `storectl jobs list`.")
        if len(page) < PAGE:
            return found[::-1]
        last = page[-1].id


async def until_ended(call: Call, job: Job) -> Job:
    """The job once it has ended; as it is when its client has gone, or the daemon stops."""
    services = call.services
    while not job.status.ended and native.is_there(call.request) and not services.watchers.closed:
        job = await native.wait(call.request, job, services.settings.max_wait_seconds)
    return job


async def cancel_task(call: Call, token: str) -> bool:
    """False when it was asked to stop before, or has ended."""
    async with call.services.engine.connect() as conn:
        job = await jobs.get(conn, Token(token))
    if job.cancel_requested:
        return False
    try:
        await native.cancel(call.services, job.token)
    except AlreadyEnded:
        return False
    return True


async def create_dummy_task(call: Call, seconds: int, should_fail: bool) -> str:
    """Its token; only while testing."""
    if not call.services.settings.testing:
        raise Refused("createDummyTask is only there while testing (the setting `testing`).")
    async with call.services.engine.begin() as conn:
        job = await _enqueue_dummy(conn, call, seconds, should_fail)
    return job.token


async def _enqueue_dummy(conn: Connection, call: Call, seconds: int, should_fail: bool) -> Job:
    return await jobs.enqueue(
        conn,
        kind=JobKind.DUMMY,
        product_id=None,
        run=None,
        username=None,
        submitter=call.request.remote,
        summary="Dummy task for testing purposes",
        arguments={"seconds": seconds, "fail": should_fail},
        token=jobs.new_token(),
    )


def _is_owner(call: Call, job: Job) -> bool:
    """Until there are users: whether the call comes from where the job came from."""
    return job.submitter is not None and job.submitter == call.request.remote


def _is_young(job: Job) -> bool:
    return job.enqueued_at is not None and (datetime.now(UTC) - job.enqueued_at).total_seconds() < YOUNG_SECONDS


def _info(job: Job) -> TaskInfo:
    info: TaskInfo = {
        "token": job.token,
        "taskKind": LEGACY_STORE if job.legacy else KINDS[job.kind],
        "status": TaskStatus[job.status.name],
        "productId": job.product_id or 0,
        "summary": job.summary,
        "cancelFlagSet": job.cancel_requested,
    }
    if job.username is not None:
        info["actorUsername"] = job.username
    if job.comments:
        info["comments"] = comments_text(job)
    _set_times(info, job)
    return info


def _set_times(info: TaskInfo, job: Job) -> None:
    if job.enqueued_at is not None:
        info["enqueuedAtEpoch"] = int(job.enqueued_at.timestamp())
    if job.started_at is not None:
        info["startedAtEpoch"] = int(job.started_at.timestamp())
    if job.finished_at is not None:
        info["completedAtEpoch"] = int(job.finished_at.timestamp())
    # A client takes a job whose last sign of life is an hour old for dead; one that waits has given none to be old.
    if job.heartbeat_at is not None and job.status is not JobStatus.ENQUEUED:
        info["lastHeartbeatEpoch"] = int(job.heartbeat_at.timestamp())


def comments_text(job: Job) -> str:
    """The job's comments as CodeChecker shows them."""
    return COMMENT_SEPARATOR.join(map(_comment, job.comments))


def _comment(comment: Comment) -> str:
    """The client knows the first line by ` at ` and the colon at its end."""
    return f"{comment.who} at {comment.at}:\n{comment.text}"


def _administrator_info(job: Job) -> AdministratorTaskInfo:
    return {"normalInfo": _info(job), "machineId": job.node or "", "statusConsumed": job.consumed}


def _job_filter(filters: TaskFilter) -> JobFilter | None:
    """None when no job can fit. An empty list of users or products: of none; other empty lists narrow nothing."""
    kinds, legacy = _kinds(filters.get("kinds", ()))
    products = [ProductId(one) for one in filters.get("productIDs", ()) if 0 < one <= LARGEST_PRODUCT_ID]
    if (filters.get("kinds") and not kinds) or (filters.get("productIDs") and not products):
        return None
    return JobFilter(
        tokens=filters.get("tokens", ()),
        nodes=filters.get("machineIDs", ()),
        kinds=kinds,
        legacy=legacy,
        statuses=[JobStatus[status.name] for status in filters.get("statuses", ())],
        users=filters.get("usernames", ()),
        no_user=filters.get("usernames") == [],
        products=products,
        no_product=filters.get("productIDs") == [],
        enqueued_before=_time(filters.get("enqueuedBeforeEpoch")),
        enqueued_after=_time(filters.get("enqueuedAfterEpoch")),
        started_before=_time(filters.get("startedBeforeEpoch")),
        started_after=_time(filters.get("startedAfterEpoch")),
        finished_before=_time(filters.get("completedBeforeEpoch")),
        finished_after=_time(filters.get("completedAfterEpoch")),
        last_seen_before=_time(filters.get("heartbeatBeforeEpoch")),
        last_seen_after=_time(filters.get("heartbeatAfterEpoch")),
        cancelled=FLAGS[filters.get("cancelFlag", Ternary.BOTH)],
        consumed=FLAGS[filters.get("consumedFlag", Ternary.BOTH)],
    )


def _kinds(globs: Sequence[str]) -> tuple[list[JobKind], bool | None]:
    """The kinds whose names one of the globs fits, and of stores whether only legacy ones are meant, or only others."""
    kinds = {kind for kind in JobKind if any(_fits(glob, KINDS[kind], kind) for glob in globs)}
    legacy = any(_fits(glob, LEGACY_STORE, JobKind.STORE) for glob in globs)
    only = None if legacy == (JobKind.STORE in kinds) else legacy
    return sorted(kinds | ({JobKind.STORE} if legacy else set())), only


def _time(epoch: int | None) -> datetime | None:
    """Seconds since 1970, of which clients take 0 for none; what is beyond all years is the last one, or the first."""
    if not epoch:
        return None
    try:
        return datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        return LAST_MOMENT if epoch > 0 else FIRST_MOMENT


def _fits(glob: str, *names: str) -> bool:
    """Whether one of the names is as the glob has it: `*` stands for anything, case does not count."""
    parts = glob.lower().split("*")
    return any(_has_parts(name.lower(), parts) for name in names)


def _has_parts(name: str, parts: Sequence[str]) -> bool:
    first, *middle = parts
    if not middle:
        return name == first
    last = middle.pop()
    if not (name.startswith(first) and name.endswith(last) and len(first) + len(last) <= len(name)):
        return False
    return _has_in_order(name[len(first) : len(name) - len(last)], middle)


def _has_in_order(text: str, parts: Iterable[str]) -> bool:
    for part in parts:
        _, found, text = text.partition(part) if part else ("", "found", text)
        if not found:
            return False
    return True


METHODS: Final[Methods] = {
    # Their rights are the owner's, the product's members', or the operator's.
    "getTaskInfo": Handled(get_task_info, Right.JOB_OWNER),
    "getTasks": Handled(get_tasks, Right.OPERATOR),
    "cancelTask": Handled(cancel_task, Right.JOB_OWNER),
    "createDummyTask": Handled(create_dummy_task, Right.ANYBODY),
}
