"""A TCP proxy that can be paused: both ends stay connected, and no bytes pass, as if the cable were unplugged."""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65536


class TcpProxy:
    """Forwards connections to a port of this machine. While paused, it accepts connections and holds back all bytes."""

    def __init__(self, upstream_port: int) -> None:
        """Listen on a free port, `port`."""
        self._upstream_port = upstream_port
        self._resumed = threading.Event()
        self._resumed.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def pause(self) -> None:
        """Forward no more bytes."""
        self._resumed.clear()

    def resume(self) -> None:
        """Forward again, first what was held back."""
        self._resumed.set()

    def __enter__(self) -> Self:
        """Return the proxy."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all sockets."""
        self._server.close()
        for each in self._sockets:
            each.close()

    def accept(self, client: socket.socket) -> socket.socket | None:
        """Return the upstream socket for a new connection, or None to close it."""
        del client
        return socket.create_connection(("127.0.0.1", self._upstream_port))

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._sockets.append(client)
        with contextlib.suppress(OSError), client:
            self._resumed.wait()
            upstream = self.accept(client)
            if upstream is None:
                return
            self._sockets.append(upstream)
            with upstream:
                self._forward(client, upstream)

    def _forward(self, client: socket.socket, upstream: socket.socket) -> None:
        other = {client: upstream, upstream: client}
        while True:
            for readable in select.select([client, upstream], [], [])[0]:
                data = readable.recv(_CHUNK)
                self._resumed.wait()
                if not data:
                    return
                other[readable].sendall(data)
