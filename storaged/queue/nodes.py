"""Which daemons live: each holds a session lock on one connection of its own, and writes a heartbeat."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from storaged.database.sql import Connection, load_queries
from storaged.errors import NodeIdInUse

QUERIES = load_queries("nodes")

# A predecessor that was killed a moment ago holds its lock until the server notices that its connection is gone.
PATIENCE = timedelta(seconds=5)


async def register(conn: Connection, node: str, *, patience: timedelta = PATIENCE) -> UUID:
    """Take the node's lock for the life of this connection, and make a new instance of it.

    Raises NodeIdInUse when another daemon still holds the lock after so long.
    """
    key = await _lock_key(conn, node)
    try:
        async with conn.transaction():
            await conn.execute(f"SET LOCAL lock_timeout = {patience // timedelta(milliseconds=1)}")
            await QUERIES["wait_for_lock"].value(conn, lock_key=key)
    except asyncpg.LockNotAvailableError:
        raise _in_use(node) from None
    instance = uuid4()
    await QUERIES["register_node"].execute(conn, node=node, instance=instance, lock_key=key)
    return instance


async def register_again(conn: Connection, node: str, instance: UUID) -> bool:
    """Take the lock on a new connection, the old one being lost; False while the server still has the old one.

    Raises NodeIdInUse when another daemon took the node's id meanwhile.
    """
    key = await _lock_key(conn, node)
    if await QUERIES["try_lock"].value(conn, lock_key=key):
        await QUERIES["register_node"].execute(conn, node=node, instance=instance, lock_key=key)
        return True
    if await QUERIES["node_instance"].value(conn, node=node) not in {None, instance}:
        raise _in_use(node)
    return False


async def heartbeat(conn: Connection, node: str, instance: UUID, *, dead_after: timedelta) -> bool:
    """Say that the node lives, at least twice in `dead_after`; False when another daemon took its id."""
    key = await _lock_key(conn, node)
    beats = await QUERIES["beat_node"].execute(conn, node=node, instance=instance, lock_key=key, dead_after=dead_after)
    return beats == 1


async def unregister(conn: Connection, node: str, instance: UUID) -> None:
    """Forget the node and free its lock, on the connection that holds it."""
    await QUERIES["unregister_node"].execute(conn, node=node, instance=instance)
    await QUERIES["unlock"].value(conn, lock_key=await _lock_key(conn, node))


async def _lock_key(conn: Connection, node: str) -> int:
    key: int = await QUERIES["node_lock_key"].value(conn, node=node)
    return key


def _in_use(node: str) -> NodeIdInUse:
    return NodeIdInUse(
        f"Another daemon on this database has the node id {node!r}. Stop it, or start this one with another --node-id."
    )
