"""Streaming what workers parsed into the staging tables."""

from io import BytesIO

from storaged.database.sql import Connection

REPORT_COLUMNS = (
    "lease_id", "ordinal", "report_hash", "path_hash", "file_id", "line", "column", "path_length",
    "analyzer", "checker", "message", "foreign_hash", "annotations", "files", "steps",
)  # fmt: skip
FILE_COLUMNS = ("lease_id", "file_id", "path", "content_hash")


async def stage(conn: Connection, reports: bytes, files: bytes) -> None:
    """Add rows in PostgreSQL's COPY text format, with the columns above; the rows bear their lease."""
    if files:
        await conn.copy_to_table("staged_file", source=BytesIO(files), columns=FILE_COLUMNS)
    if reports:
        await conn.copy_to_table("staged_report", source=BytesIO(reports), columns=REPORT_COLUMNS)
