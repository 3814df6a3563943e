"""Streaming what workers parsed into the staging tables."""

from storaged.database.copy import Rows, copy_rows
from storaged.database.sql import Connection

REPORT_COLUMNS = (
    "lease_id", "ordinal", "report_hash", "path_hash", "file_id", "line", "column", "path_length",
    "analyzer", "checker", "message", "foreign_hash", "annotations", "files", "steps",
    "review_status", "review_message", "review_in_source",
)  # fmt: skip
FILE_COLUMNS = ("lease_id", "file_id", "path", "content_hash")


async def stage(conn: Connection, reports: Rows, files: Rows) -> None:
    """Add rows in PostgreSQL's COPY text format, with the columns above; the rows bear their lease."""
    if files:
        await copy_rows(conn, "staged_file", FILE_COLUMNS, files)
    if reports:
        await copy_rows(conn, "staged_report", REPORT_COLUMNS, reports)
