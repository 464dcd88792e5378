"""A cable between a server and its broker that can be cut: what goes in stays in, and nobody is told."""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65536


class Cable:
    """Carries connections to a port of this machine. While it is cut, new ones are taken and nothing is carried."""

    def __init__(self, port: int) -> None:
        """Lead to this port."""
        self._far = port
        self._whole = threading.Event()
        self._whole.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._ends: list[socket.socket] = []
        self.carried = 0
        """How many connections it was asked to carry."""
        threading.Thread(target=self._take, daemon=True).start()

    def cut(self) -> None:
        """Carry nothing any more."""
        self._whole.clear()

    def mend(self) -> None:
        """Carry again, what was held back too."""
        self._whole.set()

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Pull it out."""
        self._listening.close()
        for end in self._ends:
            end.close()

    def greet(self, near: socket.socket) -> socket.socket | None:
        """Return the far end of a new connection, or `None` to hang up."""
        del near
        return socket.create_connection(("127.0.0.1", self._far))

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self.carried += 1
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._ends.append(near)
        with contextlib.suppress(OSError), near:
            self._whole.wait()
            far = self.greet(near)
            if far is None:
                return
            self._ends.append(far)
            with far:
                self._carry(near, far)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        while True:
            for ready in select.select([near, far], [], [])[0]:
                data = ready.recv(_CHUNK)
                self._whole.wait()
                if not data:
                    return
                other[ready].sendall(data)
