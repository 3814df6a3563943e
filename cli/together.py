"""Wait for several jobs at the same time."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import TypeAlias

from .board import Board, open_board
from .client import Client, JsonObject
from .errors import GaveUp, Interrupted, Refused, StorectlError, WaitTimedOut
from .progress import open_progress
from .tokens import Asked, ask_each
from .waiting import Deadline, first_look, follow, follow_quietly, has_ended

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
    late = 0

    def to_the_end(token: str) -> JsonObject:
        nonlocal late
        try:
            return follow(client, first_look(client, token, deadline), deadline, progress)
        except WaitTimedOut as error:
            progress.note(error.message)
            late += 1
            return error.job

    with open_progress() as progress:
        asked = ask_each([token], to_the_end)
    asked.late = late
    return asked


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
        self._refused = 0

    def wait(self) -> Asked:
        """Raises what `follow` does, but WaitTimedOut and Refused, which are counted."""
        self._knock()
        for _ in range(min(MOST_AT_ONCE, len(self._tokens))):
            # A daemon thread: after Ctrl-C nobody waits for the answer to its long poll.
            threading.Thread(target=self._work, daemon=True).start()
        while len(self._over) < len(self._tokens):
            self._events.get()()
        return self._sum_up()

    def how_to_go_on(self) -> str:
        """The command that waits for what has not ended."""
        left = [token for token in self._tokens if token not in self._over]
        if len(left) > MOST_NAMED:
            return f"The same command waits again for the {len(left)} that had not ended."
        return f"To wait for them again: storectl jobs wait{self._client.address.flag} {' '.join(left)}"

    def _knock(self) -> None:
        """Raise Unreachable when nothing is there at all."""
        try:
            first_look(self._client, self._tokens[0], self._deadline)
        except Refused:
            # It is told in its turn.
            return

    def _work(self) -> None:
        """Follow one job after the other, until none is left."""
        client = Client(self._client.address)
        while (number := next(self._next)) < len(self._tokens):
            token = self._tokens[number]
            try:
                job = first_look(client, token, self._deadline, was_there=True)
                job = follow_quietly(
                    client, job, self._deadline, _Witness(token, self._board, self._seen, self._events)
                )
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
            self._ended(token, error.job)
        elif isinstance(error, Refused):
            self._board.note(f"storectl: {error.message}")
            self._refused += 1
            self._over.add(token)
        else:
            raise error

    def _sum_up(self) -> Asked:
        found = [self._jobs[token] for token in self._tokens if token in self._jobs]
        late = [job["token"] for job in found if not has_ended(job)]
        if late:
            self._over.difference_update(late)
            within = f"within {self._deadline.patience.timeout:g} s"
            self._board.note(
                f"{len(late)} of {len(self._tokens)} jobs have not ended {within}; they go on. {self.how_to_go_on()}"
            )
        return Asked(found, self._refused, len(late))


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
