"""What the application holds for its handlers."""

from dataclasses import dataclass

from aiohttp import web

from storaged.database.engine import Engine
from storaged.ingest.unstored import UnstoredArchives
from storaged.queue.told import Told
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
    told: Told
    wakeups: Wakeups
    node: str
    archives: UnstoredArchives


SERVICES = web.AppKey("services", Services)
