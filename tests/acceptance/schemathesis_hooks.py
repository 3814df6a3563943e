"""What schemathesis cannot know by itself: how an archive is made and sent, and what an Idempotency-Key means."""

from itertools import count
from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.acceptance.uploads import many_reports, one_report

ARCHIVE = "application/zip"
UPLOADS = st.sampled_from([one_report(), many_reports(3), b"", b"not an archive"])
KEY = "Idempotency-Key"
JOBS = "/api/v1/jobs"
DIFF = "/api/v1/products/{product}/diff"
NUMBERS = count()

schemathesis.openapi.media_type(ARCHIVE, UPLOADS)


@schemathesis.serializer(ARCHIVE)
def send_archive(_context: schemathesis.SerializationContext, value: bytes) -> bytes:
    return value


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """What a schema cannot say: no key twice with another request, an archive with one side, no range upside down."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.headers and KEY in case.headers:
        case.headers[KEY] = f"{next(NUMBERS)}-{case.headers[KEY][:200]}"
    if (case.method, case.path) == ("POST", DIFF) and bool(case.query.get("base")) == bool(case.query.get("new")):
        case.query = {**case.query, "base": ["pantry"], "new": []}
    if (case.method, case.path) == ("GET", JOBS) and case.query:
        case.query = {name: value for name, value in case.query.items() if not name.endswith("_before")}
