"""Exit codes, addresses, answers and retries: the words for what can go wrong."""

import ssl
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner
from storaged_cli import errors
from storaged_cli.address import Tls, parse_address
from storaged_cli.answers import explain, read_answer
from storaged_cli.errors import EXIT_CODES, NotADaemon, Refused, StorectlError, Unavailable, Unreachable, Usage
from storaged_cli.main import main
from storaged_cli.metadata import run_name
from storaged_cli.retries import Backoff, is_busy, is_passing, persist, read_retry_after
from storaged_cli.scan import ReportFolder
from urllib3 import exceptions

BASE = "http://localhost:8001"
HERE = parse_address("localhost:8001/Default")


def subclasses(kind: type[StorectlError]) -> Iterator[type[StorectlError]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_error_of_the_client_has_an_exit_code() -> None:
    assert set(subclasses(StorectlError)) == EXIT_CODES.keys()
    assert Usage("x").exit_code == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("completed", 0),
        ("failed", 4),
        ("running", 8),
        ("enqueued", 8),
        ("allocated", 8),
        ("cancelled", 16),
        ("dropped", 16),
    ],
)
def test_one_job_has_the_exit_code_of_its_status(status: str, code: int) -> None:
    assert errors.job_exit_code(status) == code
    assert errors.jobs_exit_code([status]) == code


def test_several_jobs_are_a_success_only_when_all_are_completed() -> None:
    assert errors.jobs_exit_code(["completed", "completed"]) == 0
    assert errors.jobs_exit_code(["completed", "failed"]) == 1


@pytest.mark.parametrize(
    ("text", "base", "product"),
    [
        ("localhost:8001/Default", "http://localhost:8001", "Default"),
        ("localhost/Default", "http://localhost:8001", "Default"),
        ("Default", "http://localhost:8001", "Default"),
        ("https://example.org/Shop", "https://example.org", "Shop"),
        ("http://example.org/Shop/", "http://example.org", "Shop"),
        ("example.org:80/with/a/prefix/Shop", "http://example.org:80/with/a/prefix", "Shop"),
        ("[::1]:9000/Shop", "http://[::1]:9000", "Shop"),
        ("[::1]/Shop", "http://[::1]:8001", "Shop"),
        ("localhost:8001/My%20Shop", "http://localhost:8001", "My Shop"),
    ],
)
def test_an_address_is_read(text: str, base: str, product: str) -> None:
    address = parse_address(text)
    assert (address.base, address.product) == (base, product)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("localhost:8001", "names no product.*localhost:8001/Default is meant"),
        ("localhost:8001/", "names no product.*localhost:8001/Default is meant"),
        ("ftp://localhost/Default", "scheme 'ftp'"),
        ("localhost:port/Default", "the port 'port', which is no number"),
        ("localhost:70000/Default", "the port '70000'"),
        ("localhost:0/Default", "the port '0'"),
        ("http:/localhost:8001/Default", "cannot be read"),
        ("htp://localhost:8001/Default", "scheme 'htp'"),
        ("http://[::1/Default", "cannot be read.*localhost:8001/Default, or https"),
        ("http:///Default", "cannot be read"),
        ("localhost:8001/Default?run=x", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_wrong_address_is_a_usage_error_that_shows_a_right_one(text: str, why: str) -> None:
    with pytest.raises(Usage, match=why):
        parse_address(text)


def test_a_suggested_command_names_the_address_only_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGED_URL", raising=False)
    assert parse_address("localhost:8001/Default").flag == ""
    assert parse_address("other/My Shop").flag == " --url 'other/My Shop'"
    monkeypatch.setenv("STORAGED_URL", "other/Shop")
    assert parse_address("other/Shop").flag == ""
    assert parse_address("other/Shop", Tls(ca_file="a b.pem", insecure=True)).flag == " --ca-file 'a b.pem' --insecure"
    monkeypatch.setenv("STORAGED_CA_FILE", "a b.pem")
    assert parse_address("other/Shop").flag == ""


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("job list", "No such command 'job'. Did you mean jobs?"),
        ("jobs shwo 0", "No such command 'shwo'. Did you mean show?"),
        ("jobs can 0", "Did you mean cancel?"),
        ("product lst", "Did you mean list?"),
        ("jobs --statsu failed", "--status"),
        ("jobs list --onyl-cancelled", "--only-cancelled"),
        ("jobs list --status Fialed", "Did you mean 'failed'?"),
        ("results shop --severity hihg", "Did you mean 'high'?"),
        ("sum shop --by fil", "Did you mean 'file'?"),
    ],
)
def test_what_is_mistyped_is_told_with_what_is_meant(typed: str, told: str) -> None:
    result = CliRunner().invoke(main, typed.split())
    assert result.exit_code == 2
    assert told in result.output


def test_what_is_like_nothing_suggests_nothing() -> None:
    assert CliRunner().invoke(main, ["jobs", "xyzzy"]).output.endswith("Error: No such command 'xyzzy'.\n")


def test_a_password_in_the_url_is_sent_and_never_shown() -> None:
    address = parse_address("https://ann:se%40cret@host/prefix/Shop")
    assert (address.base, address.login) == ("https://host/prefix", ("ann", "se@cret"))
    assert address.flag == " --url https://ann@host/prefix/Shop"
    with pytest.raises(Usage) as caught:
        parse_address("https://ann:secret@host:port/Shop")
    assert "secret" not in caught.value.message


def answer(status: int, body: bytes, kind: str = "application/json", **headers: str) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(body, {"Content-Type": kind, **headers}, status)


def test_a_good_answer_is_its_json() -> None:
    assert read_answer(HERE, answer(200, b'{"a": [1]}', "application/json; charset=utf-8")) == {"a": [1]}


def test_a_problem_is_told_with_all_its_faults_once() -> None:
    body = b'{"detail": "query/a: is bad", "errors": [{"pointer": "query/a", "detail": "is bad"}]}'
    with pytest.raises(Refused) as caught:
        read_answer(HERE, answer(422, body, "application/problem+json"))
    assert caught.value.message == "a: is bad"
    body = b'{"title": "Bad request", "errors": [{"pointer": "/a", "detail": "x"}, {"pointer": "/b", "detail": "y"}]}'
    with pytest.raises(Refused) as caught:
        read_answer(HERE, answer(400, body, "application/problem+json"))
    assert caught.value.message == "Bad request\n  /a: x\n  /b: y"


def test_a_command_that_the_daemon_suggests_leads_to_this_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGED_URL", raising=False)
    body = b'{"detail": "No run `x`. `storectl runs` lists the runs."}'
    for text, flag in (("localhost:8001/Default", ""), ("other/Shop", " --url other/Shop")):
        with pytest.raises(Refused, match=rf"No run `x`\. `storectl runs{flag}` lists the runs\."):
            read_answer(parse_address(text), answer(404, body, "application/problem+json"))


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (404, "text/html", b"<html>"),
        (200, "text/html", b"<html>"),
        (200, "application/json", b"{"),
        (501, "text/plain", b""),
    ],
)
def test_what_is_no_answer_of_a_daemon_is_said_to_be_none(status: int, kind: str, body: bytes) -> None:
    with pytest.raises(NotADaemon, match=rf"(?s)no storaged daemon: {status} .* with {kind}.*localhost:8001/Default"):
        read_answer(HERE, answer(status, body, kind))


def test_what_a_proxy_says_for_people_is_passed_on() -> None:
    page = b"<html><title>400 No required SSL\n certificate was sent</title>"
    with pytest.raises(NotADaemon, match=r"text/html, titled '400 No required SSL certificate was sent'\. Is the URL"):
        read_answer(HERE, answer(400, page, "text/html"))


@pytest.mark.parametrize(("status", "told"), [(401, "before the host in the URL"), (407, "into its variable")])
def test_a_proxy_that_asks_who_it_is_is_told_with_where_to_say_so(status: int, told: str) -> None:
    with pytest.raises(Refused, match=told):
        read_answer(HERE, answer(status, b"<html>", "text/html"))


def test_a_redirect_says_where_to() -> None:
    with pytest.raises(NotADaemon, match=r"to https://x/Default\. Give that address"):
        read_answer(HERE, answer(301, b"", "text/html", Location="https://x/Default"))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_answers_are_worth_another_try(status: int) -> None:
    with pytest.raises(Unavailable) as caught:
        read_answer(HERE, answer(status, b"<html>", "text/html", **{"Retry-After": "7"}))
    assert is_busy(caught.value)
    assert caught.value.retry_after == 7


def test_a_failure_of_the_daemon_is_not_worth_another_upload() -> None:
    with pytest.raises(Unavailable, match="500 Internal Server Error") as caught:
        read_answer(HERE, answer(500, b"", "text/plain"))
    assert not is_passing(caught.value)


def test_network_failures_are_told_in_words() -> None:
    connection = urllib3.connection.HTTPConnection("localhost")
    cause = exceptions.NewConnectionError(connection, "failed")
    cause.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert explain(BASE, cause).message == (
        "No daemon answers at http://localhost:8001 (connection refused). Is `storaged serve` running?"
    )
    tls = exceptions.SSLError(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"))
    assert explain(BASE, tls).message == "No secure connection to http://localhost:8001: wrong version number."
    broken = exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    assert explain(BASE, broken).message == "The connection to http://localhost:8001 broke: connection reset by peer."


def test_retry_after_is_read_in_both_its_forms() -> None:
    assert read_retry_after(None) is None
    assert read_retry_after("12") == 12
    assert read_retry_after("soon") is None
    assert read_retry_after(formatdate(0, usegmt=True)) == 0


def test_delays_grow_up_to_a_limit_unless_the_daemon_asks_for_one() -> None:
    backoff = Backoff(first=1, longest=4)
    delays = [backoff.delay() for _ in range(5)]
    assert all(low <= delay <= 2 * low for delay, low in zip(delays, [0.5, 1, 2, 2, 2], strict=True))
    assert 60 <= backoff.delay(Unavailable("busy", 503, 60.0)) <= 66
    assert 0 < backoff.delay(Unavailable("busy", 503, 0.0)) < 0.5


def test_a_call_is_tried_again_only_while_that_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    outcomes: list[Exception | str] = [Unreachable("away"), Unavailable("busy", 503, 30.0), "done"]

    def call() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    notes: list[str] = []
    assert persist(call, is_passing, notes.append) == "done"
    assert 30 <= slept[1] <= 33
    assert notes[0].startswith("away\nTrying again in 0.")
    outcomes[:] = [Unreachable("away")] * 3
    with pytest.raises(Unreachable):
        persist(call, is_passing, notes.append, attempts=3)
    assert outcomes == []
    outcomes[:] = [Refused("no", 404), "never"]
    with pytest.raises(Refused):
        persist(call, is_passing, notes.append)


def folder(path: Path, text: str | None) -> ReportFolder:
    path.mkdir()
    if text is not None:
        (path / "metadata.json").write_text(text)
    return ReportFolder(str(path), ("a.plist",), () if text is None else ("metadata.json",))


def test_the_run_has_the_name_that_the_analysis_gave_it(tmp_path: Path) -> None:
    new = folder(tmp_path / "new", '{"version": 2, "tools": [{"name": "codechecker", "run_name": "shop"}]}')
    old = folder(tmp_path / "old", '{"name": "shop", "command": []}')
    assert run_name([new, old, folder(tmp_path / "bare", None)]) == "shop"


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([None], "give one with -n"),
        (['{"version": 2, "tools": [{"name": "cppcheck"}]}'], "give one with -n"),
        (['{"version": 2, "tools": 3}', "[]"], "give one with -n"),
        (['{"name": "a"}', '{"name": "b"}'], r"different runs \('a', 'b'\)"),
        (["{"], "cannot be read"),
    ],
)
def test_without_one_name_the_run_must_be_named(tmp_path: Path, texts: list[str | None], why: str) -> None:
    folders = [folder(tmp_path / str(number), text) for number, text in enumerate(texts)]
    with pytest.raises(Usage, match=why):
        run_name(folders)
