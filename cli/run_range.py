"""Runs before or after a moment: that of a run's last store, or a time."""

from datetime import datetime

from .client import Client
from .errors import Usage


def stored_moment(client: Client, run: str | None, at: datetime | None) -> str | None:
    """The time that an option says, or that of the last store of the run which it names; raises Usage for both."""
    if run is None:
        return None if at is None else at.isoformat()
    if at is not None:
        raise Usage("Give a run or a time to begin with, not both; the same for the end.")
    stored = client.run(run).get("stored_at")
    if stored is None:
        raise Usage(f"No store of run {run!r} is completed, so none is before it or after it.")
    return str(stored)
