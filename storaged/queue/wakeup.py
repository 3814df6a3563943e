"""Wakes whoever waits for jobs to change: LISTEN on a connection of its own, which also holds the node's lock."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal
from uuid import UUID, uuid4
from weakref import WeakSet

import asyncpg
import structlog

from storaged.database.engine import CONNECTION_ERRORS, open_connection
from storaged.errors import DatabaseUnavailable
from storaged.queue import nodes
from storaged.tasks import running

log = structlog.get_logger(__name__)

CHANNEL = "job_changed"
APPLICATION = "storaged wakeups"

# All that a lost or sick connection raises, and one whose operation was cancelled (InternalClientError).
LOST = (
    *CONNECTION_ERRORS,
    asyncpg.PostgresError,
    asyncpg.InternalClientError,
    DatabaseUnavailable,
    TimeoutError,
)

CONNECT_SECONDS = 10.0
LONGEST_BACK_OFF_SECONDS = 5.0

# So that the server frees the lock of a node whose machine vanished within half a minute, not two hours.
SESSION = f"""
SET application_name = '{APPLICATION}';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
"""


def jittered(seconds: float) -> float:
    """Between half of it and all of it, so that nodes do not act in step."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 (nothing secret)


class Subscription:
    """What one waiter waits on. Subscribe, look at the jobs, wait, look again: no change is missed between."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        """True as soon as something changed since the last wait; False when the time has passed: look all the same.

        The event is cleared here, before the caller looks: what changes while it looks wakes it once more.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def wake(self) -> None:
        self._event.set()


class Wakeups:
    """The LISTEN connection, kept up by a task; made by `open_wakeups`."""

    def __init__(self, dsn: str, node: str | None, probe_seconds: float) -> None:
        self._dsn = dsn
        self._node = node
        self._instance: UUID | None = None
        self._holds_node = False
        self._probe_seconds = probe_seconds
        self._probe_channel = f"probe_{uuid4().hex}"
        self._echo = asyncio.Event()
        self._lost = asyncio.Event()
        self._connection: Any = None
        self._mode: Literal["listening", "polling"] = "polling"
        self._reconnects = 0
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    @property
    def mode(self) -> Literal["listening", "polling"]:
        """`polling` while notifications do not come, so that waiters depend on their own looks."""
        return self._mode

    @property
    def reconnects(self) -> int:
        """How often the connection was lost and made anew."""
        return self._reconnects

    @property
    def instance(self) -> UUID:
        """This life of the node that was given to `open_wakeups`."""
        if self._instance is None:
            raise ValueError("open_wakeups was given no node")
        return self._instance

    def subscribe(self) -> Subscription:
        """Something to wait on; it ends when the caller lets go of it."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def wake_all(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.wake()

    async def start(self) -> None:
        """Connect for the first time. Raises DatabaseUnavailable and NodeIdInUse."""
        try:
            await self._connect()
            if self._node is not None:
                self._instance = await nodes.register(self._connection, self._node)
                self._holds_node = True
        except LOST as error:
            raise DatabaseUnavailable(f"The database gives no connection for notifications: {error}") from error
        await self._probe()

    async def keep(self) -> None:
        """Probe the connection and replace it when it is lost, until cancelled. Raises NodeIdInUse."""
        while True:
            while self._mode == "listening":
                # Not wait_for: before Python 3.12 it loses a cancel that comes at the moment when the event is set.
                with suppress(TimeoutError):
                    async with asyncio.timeout(jittered(self._probe_seconds)):
                        await self._lost.wait()
                await self._probe()
            log.warning("the connection for notifications is lost: polling")
            await self._reconnect()
            log.info("listening again")

    async def stop(self) -> None:
        """Let go of the node, at once, and of the connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._mode = "polling"
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._node is not None and self._holds_node:
                    await nodes.unregister(connection, self._node, self.instance)
                await connection.close()
        except LOST as error:
            # Then the server frees the lock with the connection, and the row is found to be a dead node's.
            log.warning("the node could not sign off", error=str(error))
            connection.terminate()

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await open_connection(self._dsn)
        self._connection = connection
        self._holds_node = False
        self._lost.clear()
        connection.add_termination_listener(self._on_termination)
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.execute(SESSION)
            await connection.add_listener(self._probe_channel, self._on_echo)
            await connection.add_listener(CHANNEL, self._on_change)

    async def _probe(self) -> None:
        """See whether a notification comes all the way round, and whether the node is still held."""
        self._echo.clear()
        try:
            async with asyncio.timeout(2 * self._probe_seconds):
                await self._connection.execute("SELECT pg_notify($1, '')", self._probe_channel)
                await self._echo.wait()
                await self._hold_node()
        except LOST as error:
            log.debug("probe of the connection for notifications failed", error=str(error))
            self._mode = "polling"
        else:
            self._mode = "listening"

    async def _hold_node(self) -> None:
        if self._node is not None and not self._holds_node:
            self._holds_node = await nodes.register_again(self._connection, self._node, self.instance)

    async def _reconnect(self) -> None:
        back_off = 0.1
        while self._mode == "polling":
            self._terminate()
            await asyncio.sleep(jittered(back_off))
            back_off = min(back_off * 2, LONGEST_BACK_OFF_SECONDS)
            try:
                await self._connect()
            except LOST as error:
                log.debug("no connection for notifications", error=str(error))
                continue
            await self._probe()
        self._reconnects += 1
        # What changed meanwhile was told to nobody here.
        self.wake_all()

    def _terminate(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _on_change(self, *_: object) -> None:
        self.wake_all()

    def _on_echo(self, *_: object) -> None:
        self._echo.set()

    def _on_termination(self, connection: object) -> None:
        if connection is self._connection:
            self._lost.set()


@asynccontextmanager
async def open_wakeups(dsn: str, *, node: str | None = None, probe_seconds: float = 5.0) -> AsyncIterator[Wakeups]:
    """Listen while the block runs, and be the node (`wakeups.instance`) if one is given.

    Raises DatabaseUnavailable and NodeIdInUse, the latter also later, when another daemon took the id while this one
    had lost its connection: then the block is cancelled, since its jobs are the other's to drop.
    """
    wakeups = Wakeups(dsn, node, probe_seconds)
    try:
        await wakeups.start()
        async with running(wakeups.keep()):
            yield wakeups
    finally:
        await wakeups.stop()
