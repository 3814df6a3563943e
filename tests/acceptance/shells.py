"""Real interactive shells on a terminal of their own, where somebody types and presses TAB."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.daemons import clean_environment

PATIENCE = 30.0
# Printed by the shell, and never typed so.
READY, SAVED = "REA" + "DY>", "SAV" + "ED"
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SETUP = {
    "bash": ["bind 'set enable-bracketed-paste off'", "bind 'set bell-style none'"],
    "zsh": ["autoload -U compinit; compinit -u -D", "unsetopt beep prompt_sp prompt_cr"],
}


@dataclass(frozen=True)
class Terminal:
    """A shell that waits for a line, with the scripts of both command lines read into it."""

    descriptor: int
    folder: Path

    def words(self, typed: str) -> list[str]:
        """The words of the command as the shell would run it, after `typed`, in which each TAB is pressed."""
        # At the start of the line (Ctrl-A) the command is made an argument of one that writes its arguments down.
        _send(self.descriptor, f"{typed}\x01save \n")
        _read_until(self.descriptor, SAVED)
        return (self.folder / "words").read_text().splitlines()


@dataclass(frozen=True)
class Fish:
    """Fish tells by itself what it would insert."""

    environment: Mapping[str, str]
    folder: Path

    def words(self, typed: str) -> list[str]:
        """The words before the one that is completed, and what can take its place."""
        before, _, _ = typed.rpartition(" ")
        done = subprocess.run(
            [executable("fish"), "--no-config", "-c", 'source completions.fish; complete -C "$LINE"'],
            env={**self.environment, "LINE": typed.removesuffix("\t")},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return [*before.split(), *(choice.partition("\t")[0] for choice in done.stdout.splitlines())]


Shell = Terminal | Fish


def executable(name: str) -> str:
    """The shell of the name; skips where there is none, fails so on CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed, and completion in it is part of CI")
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def open_shell(name: str, folder: Path, variables: Mapping[str, str]) -> Iterator[Shell]:
    """A shell in the folder, with these variables besides its usual ones."""
    path = executable(name)
    environment = _environment(folder, variables)
    scripts = [
        subprocess.run([sys.executable, "-m", module, "completion", name], capture_output=True, text=True, check=True)
        for module in ("storaged_cli", "storaged")
    ]
    (folder / f"completions.{name}").write_text("\n".join(script.stdout for script in scripts))
    if name == "fish":
        yield Fish(environment, folder)
        return
    with _on_terminal([path, *START[name][1:]], environment, folder) as terminal:
        save = "save() { printf '%s\\n' \"$@\" > words; echo SAV''ED; }"
        _send(terminal, "\n".join([*SETUP[name], f"source completions.{name}", save, "PS1='REA''DY>'"]) + "\n")
        _read_until(terminal, READY)
        yield Terminal(terminal, folder)


@contextmanager
def _on_terminal(arguments: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[int]:
    main, child = pty.openpty()
    process = subprocess.Popen(
        arguments, stdin=child, stdout=child, stderr=child, env=environment, cwd=folder, start_new_session=True
    )
    os.close(child)
    try:
        yield main
    finally:
        process.kill()
        process.wait()
        os.close(main)


def _environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    fixed = {"PATH": path, "TERM": "dumb", "HOME": str(folder), "LC_ALL": "C.UTF-8", "HISTFILE": ""}
    return {**clean_environment(), **fixed, **variables}


def _send(terminal: int, text: str) -> None:
    os.write(terminal, text.encode())


def _read_until(terminal: int, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    seen = b""
    while text.encode() not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"{text!r} never came, but: {seen!r}"
        seen += os.read(terminal, 1 << 12)
