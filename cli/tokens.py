"""The same question about each of several jobs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .client import JsonObject
from .errors import NOT_ENDED, Interrupted, Refused


@dataclass(slots=True)
class Asked:
    """The jobs; how many tokens were refused, which is told already; how many jobs had not ended in time."""

    found: list[JsonObject] = field(default_factory=list)
    refused: int = 0
    late: int = 0

    @property
    def exit_code(self) -> int:
        """0 when there is nothing to complain of."""
        return NOT_ENDED if self.late else 1 if self.refused else 0


def ask_each(tokens: Iterable[str], ask: Callable[[str], JsonObject]) -> Asked:
    """A token that is refused, because nobody knows it, does not hide the others."""
    asked = Asked()
    for token in tokens:
        try:
            asked.found.append(ask(token))
        except Refused as error:
            error.show()
            asked.refused += 1
    return asked


def steer_each(tokens: Sequence[str], steer: Callable[[str], JsonObject]) -> Asked:
    """As `ask_each`, for what changes jobs: who interrupts it hears how far it came."""
    begun = 0

    def count(token: str) -> JsonObject:
        nonlocal begun
        begun += 1
        return steer(token)

    try:
        return ask_each(tokens, count)
    except KeyboardInterrupt as error:
        far = f"at job {begun} of {len(tokens)}"
        raise Interrupted(f"Interrupted {far}; `storectl jobs show TOKEN...` tells how they are now.") from error
