"""Jobs: what became of an upload, waited for without polling; cancel and retry."""

import re
import time
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

import structlog
from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator
from typing_extensions import TypedDict

from storaged.api.encode import JobObject, job_object, json_bytes, json_response
from storaged.api.keys import SERVICES, Services
from storaged.api.params import AnyText, Id, LongText, Query, Time, check_storable, read_json, read_query
from storaged.database.engine import DATABASE_SICK
from storaged.errors import JobNotFound, NotRetryable
from storaged.model import Job, JobKind, JobStatus, ProductId, Token
from storaged.queue import jobs
from storaged.queue.lists import ANY, JobFilter
from storaged.queue.lists import list_jobs as list_page
from storaged.store import products

log = structlog.get_logger(__name__)

NOBODY = "anonymous"
EVENT_STREAM = "text/event-stream"
# How soon a long poll notices that its client has gone.
GONE_SECONDS = 15.0
LAST_EVENT_ID = re.compile(r"\d{1,18}", re.ASCII)
RETRYABLE = {JobStatus.FAILED, JobStatus.DROPPED}
# As CodeChecker filters its tasks.
GLOB = "case is ignored, `*` stands for anything"
KINDS = frozenset(JobKind)


def check_kind(glob: str) -> str:
    """The name of a kind, or a pattern; raises ValueError for another name: kinds are few, so that is a mistake."""
    if ANY not in glob and glob.lower() not in KINDS:
        raise ValueError(f"is no kind of job; there are {', '.join(JobKind)}")
    return glob


def _in_any_case(name: str) -> str:
    """A regular expression for readers of the schema, which has no flags."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in name)


KIND_PATTERN = rf"^([^\u0000]*\*[^\u0000]*|{'|'.join(map(_in_any_case, JobKind))})$"
Kind = Annotated[
    str, AfterValidator(check_storable), AfterValidator(check_kind), Field(json_schema_extra={"pattern": KIND_PATTERN})
]


def any_of(text: str) -> Any:
    """A field of values of which a job may have any; none: it narrows nothing."""
    return Field(default_factory=list, description=text)


def moment(text: str) -> Any:
    """A field of a time, which jobs have or not as `text` says; none: it narrows nothing."""
    return Field(None, description=f"Jobs that {text}.")


class WaitQuery(Query):
    wait: float = Field(0, ge=0)
    since: Id | None = None


class SinceQuery(Query):
    since: Id = 0


class JobQuery(Query):
    token: list[AnyText] = any_of(f"Jobs by their tokens; {GLOB}.")
    node: list[AnyText] = any_of(f"Jobs that run, or ran last, on these nodes; {GLOB}.")
    kind: list[Kind] = any_of(f"Jobs of these kinds: {', '.join(JobKind)}; {GLOB}.")
    status: list[JobStatus] = any_of("Jobs that are so.")
    run: list[AnyText] = any_of("Jobs of these runs; case counts, and `*` is a character.")
    user: list[AnyText] = any_of(f"Jobs that these users made; {GLOB}.")
    no_user: bool = Field(False, description="Jobs that nobody known made, too, or only those.")
    product: list[AnyText] = any_of("Jobs of the products of these endpoints; case counts.")
    no_product: bool = Field(False, description="Jobs of no product, too, or only those.")
    enqueued_after: Time | None = moment("were enqueued then or later")
    enqueued_before: Time | None = moment("were enqueued then or before")
    started_after: Time | None = moment("started then or later")
    started_before: Time | None = moment("started then or before")
    finished_after: Time | None = moment("ended then or later")
    finished_before: Time | None = moment("ended then or before")
    last_seen_after: Time | None = moment("were last marked alive then or later")
    last_seen_before: Time | None = moment("were last marked alive then or before")
    cancelled: bool | None = Field(None, description="Whether somebody asked the job to stop.")
    consumed: bool | None = Field(None, description="Jobs that ended: whether somebody was told so.")
    after: Id | None = Field(None, description="`next` of the page before.")
    limit: int = Field(100, ge=1, le=1000, description="Jobs of a page.")

    @field_validator("enqueued_before", "started_before", "finished_before", "last_seen_before")
    @classmethod
    def is_not_contradicted(cls, before: datetime | None, info: ValidationInfo) -> datetime | None:
        """A range that no time can be in is a mistake."""
        name = (info.field_name or "").replace("_before", "_after")
        after = info.data.get(name)
        if before is not None and after is not None and before < after:
            raise ValueError(f"is before {name}, {after.isoformat()}: nothing is in between")
        return before

    def where(self, products: Sequence[ProductId]) -> JobFilter:
        """The filter, with the ids of the products that it names."""
        same = {field.name for field in fields(JobFilter)} & set(JobQuery.model_fields)
        return JobFilter(
            tokens=self.token,
            nodes=self.node,
            kinds=self.kind,
            statuses=self.status,
            runs=self.run,
            users=self.user,
            products=products,
            **{name: getattr(self, name) for name in same},
        )


class JobList(TypedDict):
    """A page of jobs."""

    jobs: list[JobObject]
    next: int | None


class JobEvent(TypedDict):
    """One server-sent event; `data` is the job as JSON, `id` its sequence."""

    id: str
    event: Literal["job"]
    data: str


class CancelBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    comment: LongText = ""


CANCEL: TypeAdapter[CancelBody] = TypeAdapter(CancelBody)


async def list_jobs(request: web.Request) -> web.Response:
    """Jobs, the newest first; `next` is the `after` of the next page."""
    query = read_query(request, JobQuery)
    async with request.app[SERVICES].engine.connect() as conn:
        ids = [(await products.get_product(conn, endpoint)).id for endpoint in query.product]
        found = await list_page(conn, query.where(ids), limit=query.limit, after_id=query.after)
    following = found[-1].id if len(found) == query.limit else None
    return json_response(JobList(jobs=[job_object(job) for job in found], next=following))


async def get_job(request: web.Request) -> web.Response:
    """The job; with `wait` as soon as it has ended, or, with `since`, as soon as its sequence is beyond that."""
    services = request.app[SERVICES]
    query = read_query(request, WaitQuery)
    token = _token(request)
    async with services.engine.connect() as conn:
        job = await jobs.get(conn, token)
    if query.wait > 0:
        job = await wait(request, job, query.wait, query.since)
    if request.method == "GET" and is_there(request):
        services.told.note(job)
    return json_response(await _with_place(services, job))


async def stream_job(request: web.Request) -> web.StreamResponse:
    """The job's changes as server-sent events, each with the job and its sequence as id, until it has ended.

    The first comes at once: the job as it is, or, with `since` or Last-Event-ID, the first change after that. 204 when
    it has ended and that was seen: the answer to which browsers do not connect again.
    """
    services = request.app[SERVICES]
    since = _since(request, read_query(request, SinceQuery))
    async with services.engine.connect() as conn:
        job = await jobs.get(conn, _token(request))
    if job.status.ended and job.sequence <= since:
        return web.Response(status=HTTPStatus.NO_CONTENT)
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = EVENT_STREAM
    await response.prepare(request)
    if request.method == "GET":
        await _stream(services, response, job, since)
    return response


async def _stream(services: Services, response: web.StreamResponse, job: Job, since: int) -> None:
    with services.watchers.watch(job.token) as watch:
        while not services.watchers.closed:
            if job.sequence > since or job.status.ended:
                since = job.sequence
                if not await _send_event(services, response, job):
                    return
            if job.status.ended:
                services.told.note(job)
                return
            changed = await watch.next_change(job.sequence, services.settings.keep_alive_seconds)
            if changed is None:
                await response.write(b": still here\n\n")
            job = changed or job


async def _send_event(services: Services, response: web.StreamResponse, job: Job) -> bool:
    """False when the database does not say the job's place: then the stream breaks off, and the client comes again."""
    try:
        document = json_bytes(await _with_place(services, job)).decode()
    except DATABASE_SICK as error:
        log.warning("a stream of events breaks off", token=job.token, error=str(error))
        return False
    await response.write(f"id: {job.sequence}\nevent: job\ndata: {document}\n\n".encode())
    return True


def _since(request: web.Request, query: SinceQuery) -> int:
    """Last-Event-ID is what a browser sends when it connects again."""
    last = request.headers.get("Last-Event-ID", "")
    return int(last) if LAST_EVENT_ID.fullmatch(last) else query.since


async def cancel_job(request: web.Request) -> web.Response:
    """Ask that the job stop: one that waits is cancelled at once, one that runs at its next checkpoint."""
    read_query(request, Query)
    body = await read_json(request, CANCEL, empty={})
    job = await cancel(request.app[SERVICES], _token(request), body.comment)
    return json_response(job_object(job))


async def cancel(services: Services, token: Token, text: str = "") -> Job:
    """Ask that the job stop, with a reason; its upload goes if it ended at once. Raises JobNotFound, AlreadyEnded."""
    async with services.engine.begin() as conn:
        job = await jobs.request_cancel(conn, token, NOBODY, text)
    if job.status is JobStatus.CANCELLED:
        services.metrics.job_ended(job.kind, job.status)
        await services.spool.delete(job.token)
    return job


async def retry_job(request: web.Request) -> web.Response:
    """Enqueue a failed or dropped job again, under the same token, while its upload is kept."""
    services = request.app[SERVICES]
    read_query(request, Query)
    token = _token(request)
    async with services.engine.connect() as conn:
        job = await jobs.get(conn, token)
    if job.kind is JobKind.STORE and job.status in RETRYABLE and not await services.spool.has(token):
        raise NotRetryable(f"The upload of job {token} is not kept any more. Store the results again.")
    async with services.engine.begin() as conn:
        job = await jobs.retry(conn, token, NOBODY)
    return json_response(await _with_place(services, job))


async def wait(request: web.Request, job: Job, seconds: float, since: int | None = None) -> Job:
    """Follow the job until it has ended (or its sequence is beyond `since`), the time has passed, or nobody waits."""
    services = request.app[SERVICES]
    deadline = time.monotonic() + min(seconds, services.settings.max_wait_seconds)
    with services.watchers.watch(job.token) as watch:
        while not _answers(job, since) and is_there(request) and not services.watchers.closed:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            job = await watch.next_change(job.sequence, min(left, GONE_SECONDS)) or job
    return await _last_look(services, job)


async def _last_look(services: Services, job: Job) -> Job:
    """The job as it is when the daemon stops: its last change may not have been told any more."""
    if job.status.ended or not services.watchers.closed:
        return job
    async with services.engine.connect() as conn:
        return await jobs.get(conn, job.token)


def is_there(request: web.Request) -> bool:
    """Whether the client has not closed the connection."""
    return request.transport is not None and not request.transport.is_closing()


def _answers(job: Job, since: int | None) -> bool:
    return job.status.ended if since is None else job.sequence > since or job.status.ended


async def _with_place(services: Services, job: Job) -> JobObject:
    """With its position, and how long it has to wait yet, or to run."""
    position, seconds = await _place(services, job)
    return job_object(job, position, None if seconds is None else round(seconds, 1))


async def _place(services: Services, job: Job) -> tuple[int | None, float | None]:
    if job.status not in {JobStatus.ENQUEUED, JobStatus.RUNNING} or job.cancel_requested:
        return None, None
    async with services.engine.connect() as conn:
        if job.status is JobStatus.RUNNING:
            return None, await jobs.remaining(conn, job)
        position = await jobs.position(conn, job)
        if position is None:  # it was claimed just now
            return None, None
        return position, await jobs.estimate(conn, job, position=position, node_slots=services.settings.concurrent_jobs)


def _token(request: web.Request) -> Token:
    text = request.match_info["token"]
    if len(text) != 64 or not text.isascii():
        raise JobNotFound(text)
    return Token(text)
