"""Errors as Thrift's clients know them: one table from what happened to a code, and the two forms of an answer.

CodeChecker's client prints the message of either form and ends with 1.
"""

from enum import IntEnum
from typing import Any

import orjson

from storaged import errors
from storaged.thrift import structs
from storaged.thrift.structs import ErrorCode

CODES: dict[type[errors.StoragedError], ErrorCode] = {
    errors.BadRequest: ErrorCode.GENERAL,
    errors.IdempotencyConflict: ErrorCode.GENERAL,
    errors.ProductNotFound: ErrorCode.GENERAL,
    errors.RunNotFound: ErrorCode.GENERAL,
    errors.TagNotFound: ErrorCode.GENERAL,
    errors.ReviewNotFound: ErrorCode.GENERAL,
    errors.ReportNotFound: ErrorCode.GENERAL,
    errors.JobNotFound: ErrorCode.GENERAL,
    errors.ProductExists: ErrorCode.GENERAL,
    errors.ProductInUse: ErrorCode.GENERAL,
    errors.AlreadyEnded: ErrorCode.GENERAL,
    errors.NotRetryable: ErrorCode.GENERAL,
    errors.UploadTooLarge: ErrorCode.GENERAL,
    errors.UploadIncomplete: ErrorCode.IOERROR,
    errors.SpoolFull: ErrorCode.IOERROR,
    errors.BadArchive: ErrorCode.GENERAL,
    errors.BadResultFiles: ErrorCode.GENERAL,
    errors.ContradictingReviews: ErrorCode.GENERAL,
    errors.ReportLimitReached: ErrorCode.GENERAL,
    errors.RunLimitReached: ErrorCode.GENERAL,
    errors.WorkerDied: ErrorCode.GENERAL,
    errors.TooManyComparisons: ErrorCode.GENERAL,
    errors.DatabaseUnavailable: ErrorCode.DATABASE,
}


class Refused(Exception):
    """A handler's answer that is an error; where the method throws RequestFailed it has this code."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.GENERAL) -> None:
        super().__init__(message)
        self.code = code

    def struct(self) -> structs.RequestFailed:
        return {"errorCode": self.code, "message": str(self), "extraInfo": []}


class ApplicationFault(IntEnum):
    """Types of Thrift's own exception, which every client knows without an interface."""

    UNKNOWN = 0
    UNKNOWN_METHOD = 1
    INTERNAL_ERROR = 6
    PROTOCOL_ERROR = 7


class ApplicationError(Exception):
    """What goes wrong outside of a method: an answer in Thrift's own form."""

    def __init__(self, message: str, fault: ApplicationFault = ApplicationFault.INTERNAL_ERROR) -> None:
        super().__init__(message)
        self.fault = fault

    def content(self) -> bytes:
        """The struct, as JSON."""
        fields: dict[str, dict[str, Any]] = {"1": {"str": str(self)}, "2": {"i32": self.fault}}
        return orjson.dumps(fields)


def refusal(error: errors.StoragedError) -> Refused | None:
    """The error as a refusal; None for one that has no row in the table: a fault of ours."""
    code = CODES.get(type(error))
    return None if code is None else Refused(str(error), code)
