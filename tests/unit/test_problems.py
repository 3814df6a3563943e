"""Problem details: every error that can reach HTTP has a status of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storaged import errors
from storaged.api.problems import HTTP_KINDS, STATUSES, TYPE_PREFIX, kebab, problem

# Errors that cannot reach a request: they stop the daemon at its start, or end a job, or belong to a command.
NOT_AT_THE_EDGE = {
    errors.SettingsError,
    errors.ListenError,
    errors.QuickstartError,
    errors.SchemaError,
    errors.EmbeddedPostgresError,
    errors.NodeIdInUse,
    errors.StagedRowsLost,
    errors.SpoolOfAnother,
    errors.LeaseLost,
    errors.CancelRequested,
    errors.UploadGone,
    errors.DummyFailed,
    errors.BadResultFile,
    errors.RunLimitReached,
}


def all_errors(base: type[errors.StoragedError] = errors.StoragedError) -> Iterator[type[errors.StoragedError]]:
    for error in base.__subclasses__():
        yield error
        yield from all_errors(error)


@pytest.mark.parametrize("error", list(all_errors()), ids=lambda error: error.__name__)
def test_every_error_has_a_status_or_cannot_reach_a_request(error: type[errors.StoragedError]) -> None:
    assert (error in STATUSES) != (error in NOT_AT_THE_EDGE)


def test_a_problem_has_the_members_of_rfc_9457_and_lists_faults() -> None:
    response = problem(422, "bad-request", "wrong", faults=[("query/run", "missing")], retry_after=3)
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "3"
    assert b'"type":"' + TYPE_PREFIX.encode() + b'bad-request"' in bytes(response.body or b"")  # type: ignore[arg-type]
    assert b'"errors":[{"pointer":"query/run","detail":"missing"}]' in bytes(response.body or b"")  # type: ignore[arg-type]


def test_the_documentation_names_every_type_of_problem() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    kinds = {kebab(error.__name__) for error in STATUSES} | {*HTTP_KINDS.values(), "internal-error"}
    assert [kind for kind in kinds if f"`{kind}`" not in text] == []
