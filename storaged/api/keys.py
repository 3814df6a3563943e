"""What the application holds for its handlers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from storaged.database.engine import Engine
from storaged.fresh import Fresh
from storaged.ingest.unstored import UnstoredArchives
from storaged.metrics import Metrics
from storaged.queue.dashboard import Dashboard
from storaged.queue.told import Told
from storaged.queue.wakeup import Wakeups
from storaged.queue.watch import Watchers
from storaged.settings import Settings
from storaged.spool.local import LocalSpool, SpoolUse


@dataclass(frozen=True, slots=True)
class Work:
    """What the part of the node that runs jobs is at."""

    job_slots: int
    running_jobs: int
    worker_processes: int
    busy_worker_processes: int
    worker_crashes: int


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
    metrics: Metrics
    dashboard: Dashboard
    spool_use: Fresh[SpoolUse]
    work: Callable[[], Work]
    started_at: datetime


SERVICES = web.AppKey("services", Services)
