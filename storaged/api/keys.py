"""What the application holds for its handlers."""

from dataclasses import dataclass

from aiohttp import web

from storaged.database.engine import Engine
from storaged.queue.wakeup import Wakeups
from storaged.queue.watch import Watchers
from storaged.settings import Settings
from storaged.spool.local import LocalSpool


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the daemon that a request may need."""

    settings: Settings
    engine: Engine
    spool: LocalSpool
    watchers: Watchers
    wakeups: Wakeups
    node: str


SERVICES = web.AppKey("services", Services)
