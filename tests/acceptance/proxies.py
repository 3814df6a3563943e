"""A TCP proxy before a daemon, which does to connections what networks do."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

PIECE = 1 << 16
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass
class Connection:
    """One that goes through the proxy; what the client asked for in it can be looked at."""

    client: socket.socket
    daemon: socket.socket
    asked: bytes = b""
    is_black_hole: bool = False

    def reset(self) -> None:
        """Both sides see that it broke."""
        for side in (self.client, self.daemon):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                # Wakes the thread that reads from it; only then does the close take effect.
                side.shutdown(socket.SHUT_RD)
            side.close()


@dataclass
class Proxy:
    """`swallow`: so many answers to requests that hold `swallowed` are kept back, and their connections reset."""

    target: int
    listener: socket.socket
    swallowed: bytes = b""
    swallow: int = 0
    connections: list[Connection] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}/Default"

    def asking(self, text: bytes) -> list[Connection]:
        """Connections in which this was asked."""
        return [connection for connection in self.connections if text in connection.asked]

    def accept(self) -> None:
        """Until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(client, socket.create_connection(("127.0.0.1", self.target)))
            self.connections.append(connection)
            self._start(self._ask, connection)
            self._start(self._answer, connection)

    def _start(self, work: Callable[[Connection], None], connection: Connection) -> None:
        thread = threading.Thread(target=work, args=[connection])
        self.threads.append(thread)
        thread.start()

    def _ask(self, connection: Connection) -> None:
        for piece in _pieces(connection.client):
            connection.asked += piece
            if not connection.is_black_hole:
                with suppress(OSError):
                    connection.daemon.sendall(piece)
        if not connection.is_black_hole:
            _end(connection.daemon)

    def _answer(self, connection: Connection) -> None:
        for piece in _pieces(connection.daemon):
            if self.swallow and self.swallowed in connection.asked:
                self.swallow -= 1
                connection.reset()
                return
            if not connection.is_black_hole:
                with suppress(OSError):
                    connection.client.sendall(piece)
        if not connection.is_black_hole:
            _end(connection.client)


def _pieces(side: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):
        while piece := side.recv(PIECE):
            yield piece


def _end(side: socket.socket) -> None:
    with suppress(OSError):
        side.shutdown(socket.SHUT_WR)


@contextmanager
def running_proxy(target: int) -> Iterator[Proxy]:
    """A proxy to a port of this machine; at the end its connections are reset."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        proxy = Proxy(target, listener)
        thread = threading.Thread(target=proxy.accept)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in proxy.connections:
                connection.reset()
            for thread in proxy.threads:
                thread.join()
