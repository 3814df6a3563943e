"""Wait for several jobs at the same time."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TypeAlias

from .board import Board, open_board
from .client import Client, JsonObject
from .errors import GaveUp, Interrupted, Refused, StorectlError, WaitTimedOut
from .limits import HEARING_SECONDS
from .patience import Deadline
from .progress import open_progress
from .tokens import Asked, ask_each
from .waiting import Following, Watching, first_look, follow, follow_quietly, has_ended, resumable, wait_command

MOST_AT_ONCE = 32
"""Of long polls; the jobs beyond are looked at when one of these has ended."""
MOST_NAMED = 5
Events: TypeAlias = "SimpleQueue[Callable[[], None]]"
"""What the threads have seen, to be told in the main thread."""


def wait_for_each(client: Client, tokens: Sequence[str], deadline: Deadline) -> Asked:
    """The jobs as they ended, or as they were when the time was over, in the order of their tokens."""
    tokens = list(dict.fromkeys(tokens))
    if len(tokens) == 1:
        return _wait_for_one(client, tokens[0], deadline)
    with open_board(tokens) as board:
        crowd = Crowd(client, tokens, deadline, board)
        try:
            return crowd.wait()
        except KeyboardInterrupt as error:
            raise Interrupted(f"The jobs go on. {crowd.how_to_go_on()}") from error
        except GaveUp as error:
            raise GaveUp(f"{error.message} The jobs may go on. {crowd.how_to_go_on()}") from error


def _wait_for_one(client: Client, token: str, deadline: Deadline) -> Asked:
    with open_progress() as progress, resumable(client.address, token):
        try:
            return ask_each([token], lambda token: follow(client, token, deadline, progress))
        except WaitTimedOut as error:
            progress.note(error.message)
            return Asked([] if error.job is None else [error.job], late=1)


class Crowd:
    """Jobs that are waited for in threads of their own; all that is told or counted is so in the main thread."""

    def __init__(self, client: Client, tokens: Sequence[str], deadline: Deadline, board: Board) -> None:
        self._client = client
        self._tokens = tokens
        self._deadline = deadline
        self._board = board
        self._events: Events = SimpleQueue()
        self._next = count()
        self._jobs: dict[str, JsonObject] = {}
        self._over: set[str] = set()
        self._late: list[str] = []
        self._refused = 0

    def wait(self) -> Asked:
        """Raises what `follow` does, but WaitTimedOut and Refused, which are counted."""
        if not self._knock():
            self._late += self._tokens
            return self._sum_up()
        for _ in range(min(MOST_AT_ONCE, len(self._tokens))):
            # A daemon thread: after Ctrl-C nobody waits for the answer to its long poll.
            threading.Thread(target=self._work, daemon=True).start()
        while len(self._over) < len(self._tokens):
            self._next_event()()
        return self._sum_up()

    def _next_event(self) -> Callable[[], None]:
        while True:
            with suppress(Empty):
                return self._events.get(timeout=HEARING_SECONDS)

    def how_to_go_on(self) -> str:
        """The command that waits for what has not ended."""
        left = [token for token in self._tokens if token not in self._over]
        if len(left) > MOST_NAMED:
            return f"The same command waits again for the {len(left)} that had not ended."
        return f"To wait for them again:\n{wait_command(self._client.address, *left)}"

    def _knock(self) -> bool:
        """Whether somebody answers before the time is over; raises what shows that the address is wrong."""
        token = self._tokens[0]
        try:
            first_look(self._client, self._following(token, _Doorstep(token, self._board)))
        except Refused:
            # It is told in its turn.
            return True
        except WaitTimedOut as error:
            if isinstance(error.__cause__, StorectlError):
                self._board.note(error.__cause__.message)
            return False
        return True

    def _following(self, token: str, watch: Watching, *, was_there: bool = False) -> Following:
        return Following(self._client.address, token, self._deadline, watch, was_there=was_there)

    def _work(self) -> None:
        """Follow one job after the other, until none is left."""
        client = Client(self._client.address)
        while (number := next(self._next)) < len(self._tokens):
            token = self._tokens[number]
            try:
                witness = _Witness(token, self._board, self._seen, self._events)
                job = follow_quietly(client, self._following(token, witness, was_there=True))
                self._events.put(partial(self._ended, token, job))
            except Exception as error:  # noqa: BLE001 - it is raised in the main thread
                self._events.put(partial(self._failed, token, error))

    def _seen(self, job: JsonObject) -> None:
        """One that is told to have ended is not to be waited for again."""
        if has_ended(job):
            self._ended(job["token"], job)
        self._board.show(job)

    def _ended(self, token: str, job: JsonObject) -> None:
        self._jobs[token] = job
        self._over.add(token)

    def _failed(self, token: str, error: Exception) -> None:
        if isinstance(error, WaitTimedOut):
            self._late.append(token)
            self._over.add(token)
            if error.job is not None:
                self._jobs[token] = error.job
        elif isinstance(error, Refused):
            self._board.note(f"storectl: {error.message}")
            self._refused += 1
            self._over.add(token)
        else:
            raise error

    def _sum_up(self) -> Asked:
        found = [self._jobs[token] for token in self._tokens if token in self._jobs]
        if self._late:
            self._over.difference_update(self._late)
            count = f"{len(self._late)} of {len(self._tokens)} jobs"
            within = f"within {self._deadline.patience.timeout:g} s"
            known = "; they go on" if all(token in self._jobs for token in self._late) else ", as far as is known"
            self._board.note(f"{count} have not ended {within}{known}. {self.how_to_go_on()}")
        return Asked(found, self._refused, len(self._late))


@dataclass(frozen=True, slots=True)
class _Doorstep:
    """In the main thread, before any job was seen."""

    token: str
    board: Board

    def show(self, job: JsonObject) -> None:
        """Its turn comes."""

    def lost(self, error: StorectlError) -> None:
        self.board.lost(self.token, error)

    def found(self) -> None:
        self.board.found(self.token)


@dataclass(frozen=True, slots=True)
class _Witness:
    """Hands on what happens to a job."""

    token: str
    board: Board
    seen: Callable[[JsonObject], None]
    events: Events

    def show(self, job: JsonObject) -> None:
        self.events.put(partial(self.seen, job))

    def lost(self, error: StorectlError) -> None:
        self.events.put(partial(self.board.lost, self.token, error))

    def found(self) -> None:
        self.events.put(partial(self.board.found, self.token))
