"""What tests of the queue do again and again."""

from typing import Any
from uuid import UUID, uuid4

from storaged.database.engine import Engine
from storaged.model import Claim, Job, JobKind, JobStatus, ProductId, Token
from storaged.queue import jobs

DEFAULT = ProductId(1)
NODE = "one:8001"
INSTANCE = uuid4()

WAITS_FOR_A_LOCK = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def add_product(engine: Engine, endpoint: str, weight: float = 1) -> ProductId:
    async with engine.begin() as conn:
        row = await conn.fetchval(
            "INSERT INTO product (endpoint, display_name, weight) VALUES ($1, $1, $2) RETURNING id", endpoint, weight
        )
    return ProductId(row)


async def enqueue(
    engine: Engine,
    run: str | None = "run",
    *,
    product: ProductId | None = DEFAULT,
    priority: int = 0,
    arguments: dict[str, Any] | None = None,
    username: str | None = None,
) -> Job:
    async with engine.begin() as conn:
        return await jobs.enqueue(
            conn,
            kind=JobKind.STORE if run is not None else JobKind.DUMMY,
            product_id=product,
            run=run,
            username=username,
            summary=f"Store of results to {run!r}",
            arguments=arguments or {},
            priority=priority,
            token=jobs.new_token(),
        )


async def claim(engine: Engine, slots: int = 1, *, node: str = NODE, instance: UUID = INSTANCE) -> list[Claim]:
    async with engine.connect() as conn:
        return await jobs.claim(conn, node=node, instance=instance, slots=slots)


async def claim_one(engine: Engine, *, node: str = NODE, instance: UUID = INSTANCE) -> Claim:
    (claimed,) = await claim(engine, node=node, instance=instance)
    return claimed


async def complete(engine: Engine, claimed: Claim) -> None:
    async with engine.begin() as conn:
        await jobs.complete(conn, claimed)


async def get(engine: Engine, token: Token) -> Job:
    async with engine.connect() as conn:
        return await jobs.get(conn, token)


async def status(engine: Engine, token: Token) -> JobStatus:
    return (await get(engine, token)).status


def texts(job: Job) -> list[str]:
    return [comment.text for comment in job.comments]
