"""What storaged says when it cannot start: the address, the database, the command; never a password."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from storaged.commands import main
from storaged.daemon import listen_fault, open_listener
from storaged.database.engine import cannot_connect, describe_dsn
from storaged.errors import ListenError


@pytest.mark.parametrize(
    ("dsn", "told"),
    [
        ("postgresql://ann:secret@db.example:5433/storaged", "database storaged at db.example:5433 as ann"),
        ("postgresql://db.example/storaged?user=ann&password=secret", "database storaged at db.example as ann"),
        ("postgresql://ann@/storaged?host=/run/pg", "database storaged at /run/pg as ann"),
        ("postgresql://ann:secret@one,two:5432/storaged", "database storaged at one,two:5432 as ann"),
        ("postgresql://ann:secret@[::1]:5432/storaged", "database storaged at [::1]:5432 as ann"),
        ("mysql://ann:secret@db.example/storaged", None),
        ("postgresql://ann:secret#mark@db.example/storaged", None),
        ("postgresql://ann:secret/mark@db.example/storaged", None),
        ("ann:secret@db.example", None),
    ],
)
def test_a_database_is_named_without_the_password(dsn: str, told: str | None) -> None:
    assert describe_dsn(dsn) == told
    message = str(cannot_connect(dsn, ValueError("invalid literal: 'secret'" if told is None else "no such host")))
    assert "secret" not in message
    assert (told or "looks like postgresql://") in message


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EADDRINUSE, "another --port"),
        (errno.EACCES, "another --port, such as 8001"),
        (errno.EADDRNOTAVAIL, "a --host that is an address of this machine"),
        (-2, "a --host that is an address of this machine"),
        (errno.EINVAL, "invalid argument. Choose another --host or --port."),
    ],
)
def test_an_address_that_cannot_be_had_is_told_with_what_to_choose(number: int, told: str) -> None:
    assert told in listen_fault(OSError(number, "x"))


def test_an_address_of_another_machine_is_no_question_of_the_port() -> None:
    told = r"192\.0\.2\.1:0: cannot assign requested address\. Choose a --host"
    with pytest.raises(ListenError, match=told), open_listener("192.0.2.1", 0):
        pass


@pytest.mark.parametrize(("typed", "meant"), [("serv", "serve"), ("product lst", "list"), ("migrat", "migrate")])
def test_a_command_that_is_not_there_is_told_with_the_one_that_is_meant(typed: str, meant: str) -> None:
    result = CliRunner().invoke(main, typed.split())
    assert result.exit_code == 2
    assert f"Did you mean {meant}" in result.output


@pytest.mark.parametrize("package", ["storaged", "storaged_cli"])
def test_ctrl_c_during_the_imports_prints_no_traceback(package: str, tmp_path: Path) -> None:
    """A module that the command line imports early stands for the moment of the key."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from {package}.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.endswith("Interrupted.\n")
    assert "Traceback" not in done.stderr


def test_help_does_not_wait_for_the_daemon_to_be_imported() -> None:
    code = (
        "import sys; from storaged.commands import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"aiohttp", "asyncpg", "uvloop", "storaged.daemon"} & set(done.stdout.split())
