"""What the tests of the worker pool let its processes do."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

Gate = tuple[str, str]

_warm: list[bool] = []


def make_gate(folder: Path) -> Gate:
    arrive, leave = folder / "arrive", folder / "leave"
    os.mkfifo(arrive)
    os.mkfifo(leave)
    return str(arrive), str(leave)


def arrived(gate: Gate) -> int:
    """Wait until a call has come to the gate; its process."""
    return int(Path(gate[0]).read_text(encoding="ascii"))


def let_go(gate: Gate) -> None:
    Path(gate[1]).write_text("go", encoding="ascii")


def wait_at(gate: Gate) -> int:
    Path(gate[0]).write_text(str(os.getpid()), encoding="ascii")
    Path(gate[1]).read_text(encoding="ascii")
    return os.getpid()


def hang_deaf(gate: Gate) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_at(gate)


def warm() -> None:
    _warm.append(True)


def warm_slowly() -> None:
    time.sleep(0.5)


def fail_to_warm() -> None:
    raise ImportError("no such parser")


def is_warm() -> bool:
    return _warm == [True]


def add(one: int, two: int) -> tuple[int, int]:
    return os.getpid(), one + two


def echo(data: bytes) -> bytes:
    return data


def spin() -> None:
    while True:
        pass


def fail(error: Exception) -> None:
    raise error


class Awkward(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail_awkwardly() -> None:
    raise Awkward(1, 2)


def make_a_lambda() -> Callable[[], int]:
    return lambda: 1


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(code: int) -> None:
    os._exit(code)


def raise_exit(code: int) -> None:
    sys.exit(code)


def make_much() -> bytes:
    return b"x" * (64 << 20)


def stay_for_ever() -> int:
    """Leave behind what keeps the interpreter from ending."""
    threading.Thread(target=threading.Event().wait).start()
    return os.getpid()
