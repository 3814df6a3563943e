"""From the body of a request to an enqueued job: what the token stands for is durable before it is told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import asyncpg
import orjson

from storaged.database.engine import Engine
from storaged.database.sql import Connection
from storaged.errors import ProductNotFound
from storaged.model import Job, JobKind, Token
from storaged.queue import jobs
from storaged.spool.local import LocalSpool, Spooled
from storaged.store.products import Product

LEGACY: Final = (
    "WARNING!\nStored by the legacy call massStoreRun: its client can but wait on one connection until the store has "
    "ended, and learns nothing of it when that breaks. Clients since CodeChecker 6.25 have a better one."
)


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """How an upload is to be stored."""

    product: Product
    run: str
    username: str | None = None
    # The address that it came from.
    submitter: str | None = None
    tag: str | None = None
    description: str | None = None
    client: str | None = None
    trim_path_prefixes: tuple[str, ...] = ()
    force: bool = False
    keep_going: bool = False
    idempotency_key: str | None = None
    # By a call that is answered only when the store has ended: its client cannot go away meanwhile.
    legacy: bool = False

    @property
    def summary(self) -> str:
        """What the job is, in a line."""
        store = "Legacy store" if self.legacy else "Store"
        return f"{store} of results to '{self.product.endpoint}' - '{self.run}'"

    def digest(self, body: bytes) -> bytes:
        """What an Idempotency-Key stands for, given the SHA-256 of the body: the same bytes, stored in the same way."""
        how = {name: value for name, value in self.arguments().items() if name != "client"}
        return sha256(body + orjson.dumps([self.run, how], option=orjson.OPT_SORT_KEYS)).digest()

    def arguments(self) -> dict[str, Any]:
        """What the job keeps of it."""
        return {
            "tag": self.tag,
            "description": self.description,
            "client": self.client,
            "trim_path_prefixes": list(self.trim_path_prefixes),
            "force": self.force,
            "keep_going": self.keep_going,
            "legacy": self.legacy,
        }


async def accept_store(
    engine: Engine, spool: LocalSpool, request: StoreRequest, body: AsyncIterator[bytes], *, limit: int
) -> Job:
    """Spool the body, then enqueue its job; raises UploadTooLarge, UploadIncomplete, SpoolFull, and as below."""
    async with spool.receive(body, limit=limit) as spooled:
        return await enqueue_store(engine, spool, request, spooled)


async def enqueue_store(engine: Engine, spool: LocalSpool, request: StoreRequest, spooled: Spooled) -> Job:
    """Enqueue the job of what the spool received; the same Idempotency-Key gives the same job.

    Raises IdempotencyConflict, and ProductNotFound when the product was removed meanwhile.
    """
    token = jobs.new_token()
    # Durable before the job is: an upload without a job is swept later, a job without its upload would be lost.
    # So an error of the transaction, whose COMMIT may have happened all the same, leaves the upload where it is.
    await spool.keep(spooled, token)
    try:
        async with engine.begin() as conn:
            job = await _enqueue_once(conn, request, spooled, token)
    except asyncpg.ForeignKeyViolationError as error:
        # It was there when the request began.
        raise ProductNotFound(request.product.endpoint) from error
    if job.token != token:
        await spool.delete(token)
    return job


async def _enqueue_once(conn: Connection, request: StoreRequest, spooled: Spooled, token: Token) -> Job:
    """The job that the request's key stands for already, or a new one."""
    key = request.idempotency_key
    owner: Any = {
        "product_id": request.product.id,
        "username": request.username,
        "body_digest": request.digest(spooled.sha256),
    }
    if key is not None:
        known = await jobs.find_by_key(conn, **owner, key=key)
        if known is not None:
            return await jobs.get(conn, known)
    job = await jobs.enqueue(
        conn,
        kind=JobKind.STORE,
        product_id=request.product.id,
        run=request.run,
        username=request.username,
        submitter=request.submitter,
        summary=request.summary,
        arguments=request.arguments(),
        token=token,
    )
    if key is not None:
        await jobs.remember_key(conn, **owner, key=key, job=job)
    if request.legacy:
        await jobs.add_comment(conn, token, "storaged", LEGACY)
    return job
