"""What schemathesis cannot know by itself: how an archive is made and sent, and what an Idempotency-Key means."""

from itertools import count
from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.acceptance.uploads import many_reports, one_report

ARCHIVE = "application/zip"
UPLOADS = st.sampled_from([one_report(), many_reports(3), b"", b"not an archive"])
KEY = "Idempotency-Key"
NUMBERS = count()

schemathesis.openapi.media_type(ARCHIVE, UPLOADS)


@schemathesis.serializer(ARCHIVE)
def send_archive(_context: schemathesis.SerializationContext, value: bytes) -> bytes:
    return value


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """No key twice: that a second request with a key must be like the first is nothing that a schema can say."""
    allowed = case.meta is not None and case.meta.generation.mode.is_positive
    if allowed and case.headers and KEY in case.headers:
        case.headers[KEY] = f"{next(NUMBERS)}-{case.headers[KEY][:200]}"
