"""`storaged check`: whether database, daemons, queue and spool of an installation are well, told without a daemon."""

from collections.abc import Sequence
from datetime import timedelta

import orjson

from storaged.daemon import open_existing_database
from storaged.database.migrate import installation_id
from storaged.database.sql import Connection
from storaged.model import Token
from storaged.queue.checks import QUERIES, Finding, Level, check_queue
from storaged.settings import Settings
from storaged.spool.local import LocalSpool

LITTLE_ROOM_BYTES = 5_000_000_000


async def check_installation(settings: Settings) -> list[Finding]:
    """All findings; changes nothing. Raises a StoragedError when the database cannot be had or is not current."""
    async with open_existing_database(settings) as conn:
        return [
            *await check_queue(conn, dead_after=timedelta(seconds=settings.dead_after_seconds)),
            *await _check_spool(conn, settings),
        ]


def describe(findings: Sequence[Finding], output: str) -> str:
    """A line for each finding and one for each advice; or JSON, a list of objects with the fields of Finding."""
    if output == "json":
        return orjson.dumps(findings, option=orjson.OPT_INDENT_2).decode()
    return "\n".join(
        f"{finding.level:<9}{finding.check:<11}{finding.text}"
        + (f"\n{'':<20}{finding.advice}" if finding.advice else "")
        for finding in findings
    )


async def _check_spool(conn: Connection, settings: Settings) -> list[Finding]:
    spool = LocalSpool(settings.spool_dir)
    bound = await spool.database()
    if bound is None:
        text = f"None in {settings.data_dir}: no daemon has been run on this folder."
        return [Finding("spool", Level.OK, text)]
    if bound != str(await installation_id(conn)):
        text = f"{settings.spool_dir} belongs to another database."
        return [Finding("spool", Level.BAD, text, "Name the folder or the database that belong together.")]
    return [await _check_room(spool), await _check_uploads(conn, spool)]


async def _check_room(spool: LocalSpool) -> Finding:
    use = await spool.use()
    text = f"{use.uploads} uploads, {use.bytes / 1e6:.0f} MB; {use.free_bytes / 1e9:.1f} GB of the disk are free"
    if use.free_bytes >= LITTLE_ROOM_BYTES:
        return Finding("spool", Level.OK, text)
    return Finding("spool", Level.WARNING, f"{text}.", "Make room, or uploads will be refused.")


async def _check_uploads(conn: Connection, spool: LocalSpool) -> Finding:
    waiting = [Token(row["token"]) for row in await QUERIES["jobs_with_uploads"].fetch(conn)]
    missing = [token for token in waiting if not await spool.has(token)]
    # One that has ended meanwhile is not missed.
    unfinished = {row["token"] for row in await QUERIES["jobs_with_uploads"].fetch(conn)} if missing else set()
    missing = [token for token in missing if token in unfinished]
    if not missing:
        return Finding("uploads", Level.OK, "Each store that waits or runs has its upload here.")
    who = "1 waiting store has" if len(missing) == 1 else f"{len(missing)} waiting stores have"
    text = f"{who} no upload here; one is {missing[0]}."
    return Finding("uploads", Level.BAD, text, "All daemons of a database must share one spool folder.")
