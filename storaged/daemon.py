"""The composition root: builds every part of a node from the settings, and takes it all down again."""

import asyncio
import errno
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import structlog

from storaged.api.app import make_app, serve_app
from storaged.api.keys import Services, Work
from storaged.database.embedded import open_embedded
from storaged.database.engine import Engine, open_connection, open_engine
from storaged.database.migrate import check_current, installation_id, migrate
from storaged.database.postgres_home import find_home
from storaged.database.sql import Connection
from storaged.errors import EmbeddedPostgresError, ListenError
from storaged.fresh import Fresh
from storaged.ingest.chunks import warm_up
from storaged.ingest.pipeline import StorePipeline
from storaged.ingest.unstored import UnstoredArchives
from storaged.ingest.values import ArchiveLimits
from storaged.metrics import Metrics
from storaged.model import JobKind
from storaged.queue.dashboard import Dashboard
from storaged.queue.rescue import Rescuer
from storaged.queue.told import Told, open_told
from storaged.queue.wakeup import Wakeups, open_wakeups
from storaged.queue.watch import Watchers, open_watchers
from storaged.settings import Settings
from storaged.spool.local import LocalSpool
from storaged.store.severities import Severities, apply_severities
from storaged.tasks import running, task_group
from storaged.thrift import door as thrift_door
from storaged.worker.deletion import delete_run
from storaged.worker.dummy import run_dummy
from storaged.worker.pool import WorkerPool, open_pool
from storaged.worker.runner import Execute, Runner, RunnerOptions
from storaged.worker.upkeep import Upkeep

log = structlog.get_logger(__name__)

# Measuring the spool looks at every file in it.
SPOOL_MEASURED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of a daemon that its jobs need."""

    settings: Settings
    id: str
    engine: Engine
    spool: LocalSpool
    wakeups: Wakeups
    pool: WorkerPool
    severities: Severities
    metrics: Metrics

    @property
    def scratch(self) -> Path:
        """A folder for what running jobs hand over in files; what is in it at the start, an earlier life has left.

        Each node has its own, and no id is a path: what it is emptied for must be inside.
        """
        return self.settings.data_dir / "scratch" / sha256(self.id.encode()).hexdigest()

    @property
    def limits(self) -> ArchiveLimits:
        return ArchiveLimits(entries=self.settings.max_entries, unpacked_bytes=self.settings.max_unpacked_bytes)


async def serve(settings: Settings, started: Callable[[str], None]) -> None:
    """Run a daemon until SIGTERM or SIGINT; a second one ends it at once. `started` is told the URL."""
    stop = asyncio.Event()
    with signals_to(stop):
        async with open_daemon(settings) as url:
            started(url)
            await stop.wait()
            log.info("stopping; a second signal stops at once")


@asynccontextmanager
async def open_daemon(settings: Settings) -> AsyncIterator[str]:
    """A daemon that serves at the URL yielded, and works, while the block runs.

    At the end it claims no more, lets running jobs go on for the grace time, and answers status requests meanwhile.
    Raises StoragedErrors that say why it cannot start: the address is taken, the database is away or has a newer
    schema, the node id is in use.
    """
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(open_listener(settings.host, settings.port))
        address = url_host(settings.host) + f":{listener.getsockname()[1]}"
        dsn = await stack.enter_async_context(open_database(settings))
        engine = await stack.enter_async_context(open_engine(dsn, connections=settings.database_connections))
        node = Node(
            settings=settings,
            id=settings.node_id or address,
            engine=engine,
            severities=await prepare_schema(dsn, settings),
            spool=await prepare_spool(settings, engine),
            pool=await stack.enter_async_context(open_warm_pool(settings.workers)),
            wakeups=await stack.enter_async_context(open_wakeups(dsn, node=settings.node_id or address)),
            metrics=Metrics(),
        )
        await asyncio.to_thread(make_empty, node.scratch)
        upkeep = make_upkeep(node)
        # Before anybody can ask: what an earlier life left running does not run.
        await upkeep.start()
        watchers = await stack.enter_async_context(open_watchers(engine, node.wakeups, settings.poll_seconds))
        told = await stack.enter_async_context(open_told(engine))
        runner = make_runner(node, upkeep)
        services = make_services(node, runner, watchers, told)
        app = make_app(services)
        thrift_door.add_routes(app)
        await stack.enter_async_context(serve_app(app, listener))
        await stack.enter_async_context(open_work(runner, upkeep))
        yield f"http://{address}"


@asynccontextmanager
async def open_warm_pool(processes: int) -> AsyncIterator[WorkerPool]:
    """Worker processes that have imported what they need, so that the first store does not wait for it."""
    async with open_pool(processes, warm=warm_up) as pool:
        await pool.warm()
        yield pool


@asynccontextmanager
async def open_work(runner: Runner, upkeep: Upkeep) -> AsyncIterator[None]:
    """Work off the queue, and do the node's chores, while the block runs."""
    async with task_group() as tasks:
        working = tasks.create_task(runner.run())
        async with running(upkeep.rescue(), upkeep.prune(), upkeep.sweep()):
            try:
                yield
            finally:
                runner.stop()
                await asyncio.wait([working])


def make_services(node: Node, runner: Runner, watchers: Watchers, told: Told) -> Services:
    """What requests need, the runner's state among it."""

    def work() -> Work:
        workers = node.pool.stats
        return Work(
            job_slots=node.settings.concurrent_jobs,
            running_jobs=runner.running,
            worker_processes=workers.size,
            busy_worker_processes=workers.busy,
            worker_crashes=workers.crashes,
        )

    return Services(
        settings=node.settings,
        engine=node.engine,
        spool=node.spool,
        watchers=watchers,
        told=told,
        wakeups=node.wakeups,
        node=node.id,
        archives=make_archives(node),
        metrics=node.metrics,
        dashboard=Dashboard(node.engine),
        spool_use=Fresh(node.spool.use, SPOOL_MEASURED_SECONDS),
        work=work,
        started_at=datetime.now(UTC),
    )


def make_archives(node: Node) -> UnstoredArchives:
    return UnstoredArchives(
        engine=node.engine,
        workers=node.pool,
        spool=node.spool,
        scratch=node.scratch,
        limits=node.limits,
        severities=node.severities,
    )


def make_runner(node: Node, upkeep: Upkeep) -> Runner:
    """The runner, with a way to execute each kind of job; dummies only while testing."""
    settings = node.settings
    pipeline = StorePipeline(
        engine=node.engine,
        workers=node.pool,
        spool=node.spool,
        scratch=node.scratch,
        limits=node.limits,
        severities=node.severities,
        report_limit=settings.report_limit,
        run_limit=settings.run_limit,
    )
    execute: dict[JobKind, Execute] = {
        JobKind.STORE: pipeline.run,
        JobKind.DELETE_RUN: partial(delete_run, node.engine),
    }
    if settings.testing:
        execute[JobKind.DUMMY] = partial(run_dummy, node.engine)
    options = RunnerOptions(
        concurrent_jobs=settings.concurrent_jobs,
        poll_seconds=settings.poll_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        grace_seconds=settings.grace_seconds,
        dead_after=timedelta(seconds=settings.dead_after_seconds),
        max_crashes=settings.max_crashes,
        retry_at_shutdown=settings.on_orphan == "retry",
    )
    return Runner(
        rescuer=make_rescuer(node),
        engine=node.engine,
        wakeups=node.wakeups,
        execute=execute,
        settled=upkeep.after_job,
        metrics=node.metrics,
        options=options,
    )


def make_rescuer(node: Node) -> Rescuer:
    return Rescuer(node.id, node.wakeups.instance, node.settings.on_orphan, node.settings.max_attempts)


def make_upkeep(node: Node) -> Upkeep:
    settings = node.settings
    return Upkeep(
        engine=node.engine,
        spool=node.spool,
        rescuer=make_rescuer(node),
        dead_after=timedelta(seconds=settings.dead_after_seconds),
        keep_jobs=timedelta(days=settings.keep_jobs_days),
        keep_uploads=timedelta(days=settings.keep_uploads_days),
        metrics=node.metrics,
    )


@contextmanager
def open_listener(host: str, port: int) -> Iterator[socket.socket]:
    """The socket to serve on, bound before all else, so that a taken address is told at once. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ListenError(f"Cannot listen on {url_host(host)}:{port}: {listen_fault(error)}") from error
    with listener:
        yield listener


OWN_ADDRESS = "Choose a --host that is an address of this machine, such as 127.0.0.1."


def listen_fault(error: OSError) -> str:
    """Why an address cannot be had, and what to do."""
    # A name that is not known has one of the negative numbers of getaddrinfo.
    number = error.errno or 0
    if number < 0:
        return f"this name is not known. {OWN_ADDRESS}"
    advice = {
        errno.EADDRINUSE: "Stop what listens there, or choose another --port.",
        errno.EADDRNOTAVAIL: OWN_ADDRESS,
        errno.EAFNOSUPPORT: OWN_ADDRESS,
        errno.EACCES: "Ports below 1024 need a privilege: choose another --port, such as 8001.",
    }.get(number, "Choose another --host or --port.")
    return f"{os.strerror(number).lower()}. {advice}"


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[str]:
    """The DSN of the database that the settings name, or of the embedded one, which runs as long as it is needed."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    async with open_embedded(settings.postgres_dir, settings.pg_bindir) as dsn:
        yield dsn


@asynccontextmanager
async def open_existing_database(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to a database that is there and whose schema is this version's; nothing is made or migrated.

    Raises EmbeddedPostgresError, DatabaseUnavailable, SchemaError.
    """
    if settings.database_url is None and find_home(settings.postgres_dir) is None:
        raise EmbeddedPostgresError(
            f"There is no embedded database in {settings.postgres_dir}. Start storaged once, or name its folder with "
            "--data-dir, or its database with --database-url."
        )
    async with open_database(settings) as dsn:
        connection = await open_connection(dsn)
        try:
            await check_current(connection)
            yield connection
        finally:
            await connection.close()


async def prepare_schema(dsn: str, settings: Settings) -> Severities:
    """Bring the schema up to date, and the severities of known checkers to what the settings say."""
    severities = Severities(settings.severities)
    connection = await open_connection(dsn)
    try:
        for migration in await migrate(connection):
            log.info("migrated", number=migration.number, name=migration.name)
        await apply_severities(connection, severities)
    finally:
        await connection.close()
    return severities


async def prepare_spool(settings: Settings, engine: Engine) -> LocalSpool:
    """The spool folder, bound to the database."""
    spool = LocalSpool(settings.spool_dir)
    async with engine.connect() as conn:
        await spool.prepare(await installation_id(conn))
    return spool


def make_empty(folder: Path) -> None:
    """Make the folder, or make it anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def url_host(host: str) -> str:
    """An IPv6 address stands in brackets in a URL."""
    return f"[{host}]" if ":" in host else host


@contextmanager
def signals_to(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event; when it is set already, they end the process."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
