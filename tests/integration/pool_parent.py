"""A daemon with a pool, for a test to kill: prints the pids of its workers, then waits for ever."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from storaged.worker.pool import open_pool
from tests.integration import pool_calls as calls


async def main(doing: str) -> None:
    async with open_pool(2, warm=calls.spin if doing == "warming" else calls.warm) as pool:
        if doing != "warming":
            await pool.warm()
        while len(pool.stats.pids) < pool.size:  # noqa: ASYNC110 (processes bring no event)
            await asyncio.sleep(0)
        spinning = [asyncio.create_task(pool.run(calls.spin)) for _ in range(2 if doing == "busy" else 0)]
        sys.stdout.write(" ".join(map(str, pool.stats.pids)) + "\n")
        sys.stdout.flush()
        await asyncio.gather(*spinning, asyncio.Event().wait())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
