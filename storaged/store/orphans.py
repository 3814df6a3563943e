"""Sweeping what runs shared and nobody refers to any more: contents, paths, sets of checkers.

A store relies on what is there before it refers to it: its client leaves out the contents that the server has, and its
paths are registered before the merge. So an orphan is marked first, and swept later, and in between:

- a marked one counts as missing, and whoever adds it again takes the mark away;
- it stays while the product has a store, waiting, running or kept for a retry, that may have been promised it: one that
  was accepted up to UPLOAD after the mark, since nothing is promised after the mark, and no upload takes longer.

A store that refers to an orphan after all ends in the transaction that refers to it: a sweep sees the store unfinished,
or the reference. Hence no locks between stores and sweeps.
"""

from datetime import datetime, timedelta
from typing import Final

from storaged.database.sql import Connection, load_queries

QUERIES = load_queries("orphans")

KINDS: Final = ("contents", "files", "checker_sets")
# The longest that an upload may take from the question what is missing to the job.
UPLOAD: Final = timedelta(hours=24)
# Rows deleted in one statement: contents are large, and whoever adds one of them again waits for its end.
BATCH: Final = 500


async def sweep_orphans(conn: Connection, keep_uploads: timedelta, *, upload: timedelta = UPLOAD) -> dict[str, int]:
    """Sweep what was marked long enough ago, mark what is new; says how much of each kind was swept.

    `keep_uploads` is how long failed stores can be retried. Call it outside of a transaction: each statement is one.
    """
    swept = dict.fromkeys(KINDS, 0)
    for row in await QUERIES["swept_before"].fetch(conn, upload=upload, keep=keep_uploads + upload):
        for kind in KINDS:
            swept[kind] += await _sweep(conn, kind, row["product"], row["before"])
    for kind in KINDS:
        await QUERIES[f"unmark_{kind}"].execute(conn)
        await QUERIES[f"mark_{kind}"].execute(conn)
    return swept


async def _sweep(conn: Connection, kind: str, product: int, before: datetime) -> int:
    swept = 0
    while count := await QUERIES[f"sweep_{kind}"].execute(conn, product=product, before=before, limit=BATCH):
        swept += count
    return swept
