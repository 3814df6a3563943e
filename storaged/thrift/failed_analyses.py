"""Analysis statistics: what analyses that failed leave behind, sent by clients, kept for people to look at."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

import structlog

from storaged.auth.permissions import Right
from storaged.errors import SpoolFull
from storaged.spool.local import Spooled, gathered
from storaged.thrift.calls import Arguments, Call, Handled, Methods, Streamed
from storaged.thrift.structs import StoreLimitKind
from storaged.thrift.uploads import PIECE, UploadCall, unpacked

# What clients send at most of each, in bytes; CodeChecker's defaults.
LIMITS: Final = {
    StoreLimitKind.FAILURE_ZIP_SIZE: 50 << 20,
    StoreLimitKind.COMPILATION_DATABASE_SIZE: 100 << 20,
}
# With metadata and what compilers say of themselves beside them.
MOST_BYTES: Final = 256 << 20
READABLE: Final = 100

log = structlog.get_logger(__name__)


async def allows_statistics(call: Call) -> bool:
    """Whether there is a folder for them."""
    return _folder(call) is not None


async def get_limits(_call: Call) -> dict[StoreLimitKind, int]:
    return LIMITS


async def store_statistics(call: Call, body: AsyncIterator[bytes], read: Arguments) -> bool:
    """Keep the zip as the run's, in place of an older one; False when it cannot be kept.

    An error would end a client whose store went well.
    """
    folder = _folder(call)
    if folder is None:
        return False
    upload = UploadCall(gathered(body, PIECE), field=2)
    content = unpacked(upload.text(), packed=MOST_BYTES, limit=MOST_BYTES)
    try:
        async with call.services.spool.receive(content, limit=MOST_BYTES) as spooled:
            run, _ = read(upload.message().arguments)
            await asyncio.to_thread(_put, spooled, folder / file_name(run or ""))
    except (OSError, SpoolFull) as error:
        log.warning("cannot keep analysis statistics", folder=str(folder), error=str(error))
        return False
    return True


def file_name(run: str) -> str:
    """A name that tells the run, and is of no other."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", run)[:READABLE]
    return f"{readable}-{sha256(run.encode()).hexdigest()[:12]}.zip"


def _folder(call: Call) -> Path | None:
    """Of the product's statistics, if any are kept."""
    folder = call.services.settings.analysis_statistics_dir
    return None if folder is None else folder / call.product.endpoint


def _put(spooled: Spooled, target: Path) -> None:
    """Copy the upload, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    draft = target.with_name(f"{token_hex(8)}.part")
    try:
        shutil.copyfile(spooled.path, draft)
        draft.chmod(0o640)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


METHODS: Final[Methods] = {
    "allowsStoringAnalysisStatistics": Handled(allows_statistics, Right.PRODUCT_STORE),
    "getAnalysisStatisticsLimits": Handled(get_limits, Right.PRODUCT_STORE),
    "storeAnalysisStatistics": Streamed(store_statistics, Right.PRODUCT_STORE),
}
