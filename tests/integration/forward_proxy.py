"""A small real forward proxy: CONNECT, and requests with a whole URL; names are known to it alone."""

import asyncio
import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"


@dataclass
class ForwardProxy:
    """`ports`: what each name stands for on this machine. `login`: user:password that it asks for."""

    ports: Mapping[str, int]
    login: str | None = None
    tls: ssl.SSLContext | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except asyncio.IncompleteReadError:
            pass  # the client went away
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(HEAD_END)
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ")
        self.asked.append(f"{method} {target}")
        host = urlsplit(f"//{target}" if method == "CONNECT" else target).hostname or ""
        refusal = self._refusal(host, rest)
        if refusal is not None:
            writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.ports[host])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            parts = urlsplit(target)
            path = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
            up_writer.write(f"{method} {path} HTTP/1.1\r\nConnection: close\r\n".encode() + rest)
        try:
            await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))
        finally:
            up_writer.transport.abort()

    def _refusal(self, host: str, head: bytes) -> str | None:
        if self.login is not None:
            expected = b"Proxy-Authorization: Basic " + base64.b64encode(self.login.encode())
            if expected.lower() not in head.lower():
                return "407 Proxy Authentication Required"
        return None if host in self.ports else "403 Forbidden"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    writer.close()


@contextmanager
def running_proxy(proxy: ForwardProxy) -> Iterator[ForwardProxy]:
    """Listen in a thread of its own, on a free port."""
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0, ssl=proxy.tls)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        if not ready.wait(10):
            raise TimeoutError("the proxy of the test did not start")
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
