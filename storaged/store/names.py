"""Names close to one that is not there: what somebody who mistyped it may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def close_names(name: str, candidates: Iterable[str]) -> list[str]:
    """Three at most, the closest first, whatever the case. The candidates are few: this runs in the event loop."""
    known = {candidate.lower(): candidate for candidate in candidates}
    return [known[close] for close in get_close_matches(name.lower(), known)]
