"""Stores by CodeChecker's clients: what they ask before, the upload itself, and the wait for its end of older ones."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from storaged.api import jobs as native
from storaged.api.params import LongText, Name, Text, read_object
from storaged.api.uploads import HASHES, MOST_HASHES
from storaged.auth.permissions import Right
from storaged.ingest.accept import StoreRequest, enqueue_store
from storaged.model import ENDED, Job, JobKind, JobStatus
from storaged.queue.lists import JobFilter, list_jobs
from storaged.spool.local import Spooled, gathered
from storaged.store import contents, runs
from storaged.thrift.calls import Arguments, Call, Handled, Methods, Streamed
from storaged.thrift.faults import Refused
from storaged.thrift.structs import ErrorCode
from storaged.thrift.tasks import comments_text, until_ended
from storaged.thrift.uploads import PIECE, UploadCall, unpacked

# What the blocking call answers: the run's id once, which no client has looked at for years.
STORED: Final = -1
UNFINISHED: Final = [status for status in JobStatus if status not in ENDED]


class RunOptions(BaseModel):
    """How a run is to be stored, by the names that clients send; what is empty is not set."""

    model_config = ConfigDict(alias_generator=to_camel)

    run_name: Name
    tag: Name | None = None
    version: Text | None = None
    force: bool = False
    trim_path_prefixes: list[Text] = Field(default_factory=list)
    description: LongText | None = None


OPTIONS: TypeAdapter[RunOptions] = TypeAdapter(RunOptions)


async def get_missing_hashes(call: Call, hashes: list[str] | None) -> list[str]:
    """Of the SHA-256 hashes, those whose content the product lacks."""
    asked = hashes or []
    batches = [asked[at : at + MOST_HASHES] for at in range(0, len(asked), MOST_HASHES)]
    known = [bytes.fromhex(text) for batch in batches for text in read_object(HASHES, batch, "fileHashes")]
    async with call.services.engine.connect() as conn:
        missing = await contents.missing_contents(conn, call.product.id, known)
    return [found.hex() for found in missing]


async def get_missing_blame_hashes(call: Call, _hashes: list[str] | None) -> list[str]:
    """None: blame information is not kept, so clients need not gather it."""
    # Raises for a URL that names none.
    _ = call.product
    return []


async def store(call: Call, body: AsyncIterator[bytes], read: Arguments) -> str:
    """Spool the upload and enqueue its store; the job's token."""
    upload = UploadCall(gathered(body, PIECE), field=1)
    async with _received(call, upload) as spooled:
        _, options = read(upload.message().arguments)
        job = await _enqueue(call, spooled, options or {}, legacy=False)
    return job.token


async def store_and_wait(call: Call, body: AsyncIterator[bytes], read: Arguments) -> int:
    """The same, answered when the store has ended; raises Refused with the job's comments unless it was completed."""
    upload = UploadCall(gathered(body, PIECE), field=4)
    async with _received(call, upload) as spooled:
        name, tag, version, _, force, prefixes, description = read(upload.message().arguments)
        options = {"runName": name, "tag": tag, "version": version, "force": force, "description": description}
        job = await _enqueue(call, spooled, {**options, "trimPathPrefixes": prefixes}, legacy=True)
    job = await until_ended(call, job)
    if native.is_there(call.request):
        call.services.told.note(job)
    if job.status is not JobStatus.COMPLETED:
        raise _not_stored(job)
    return STORED


def _received(call: Call, upload: UploadCall) -> AbstractAsyncContextManager[Spooled]:
    """The upload in the spool, while the block runs."""
    # Raises for a URL that names none, before anything is read.
    _ = call.product
    settings = call.services.settings
    body = unpacked(upload.text(), packed=settings.max_upload_bytes, limit=settings.max_unpacked_bytes)
    return call.services.spool.receive(body, limit=settings.max_unpacked_bytes)


async def _enqueue(call: Call, spooled: Spooled, options: Mapping[str, Any], *, legacy: bool) -> Job:
    """Raises BadRequest, RunLimitReached, and what `enqueue_store` raises."""
    given = {name: value for name, value in options.items() if value not in (None, "")}
    run = read_object(OPTIONS, given, "storeOpts")
    await _check_run_limit(call, run.run_name)
    request = StoreRequest(
        product=call.product,
        run=run.run_name,
        submitter=call.request.remote,
        tag=run.tag,
        description=run.description,
        client=run.version,
        trim_path_prefixes=tuple(run.trim_path_prefixes),
        force=run.force,
        legacy=legacy,
    )
    return await enqueue_store(call.services.engine, call.services.spool, request, spooled)


async def _check_run_limit(call: Call, run: str) -> None:
    """Refuse a new run that cannot be made, before there is a job: who detaches would not learn of its end.

    What is to be deleted first may make room; the merge looks again in any case.
    """
    product = call.product
    limit = product.most_runs(call.services.settings.run_limit)
    if limit is None:
        return
    deletions = JobFilter(kinds=[JobKind.DELETE_RUN], statuses=UNFINISHED, products=[product.id])
    async with call.services.engine.connect() as conn:
        if not await runs.has_run(conn, product.id, run) and not await list_jobs(conn, deletions, limit=1):
            await runs.check_run_limit(conn, product.id, product.endpoint, run, limit)


def _not_stored(job: Job) -> Refused:
    if job.status.ended:
        return Refused(f"The store of run '{job.run}' ended {job.status}:\n\n{comments_text(job)}")
    return Refused(
        f"The server stops before the store of run '{job.run}' has ended. When it is there again, "
        f"`storectl jobs show {job.token}` tells what became of it.",
        ErrorCode.IOERROR,
    )


METHODS: Final[Methods] = {
    "getMissingContentHashes": Handled(get_missing_hashes, Right.PRODUCT_STORE),
    "getMissingContentHashesForBlameInfo": Handled(get_missing_blame_hashes, Right.PRODUCT_STORE),
    "massStoreRunAsynchronous": Streamed(store, Right.PRODUCT_STORE),
    "massStoreRun": Streamed(store_and_wait, Right.PRODUCT_STORE),
}
