"""What systemd is told of this service: that it is ready, how it is, that it lives, and that it stops.

The protocol is that of sd_notify(3), which is stable and made to be spoken without a library: one datagram for each
message. Of the small libraries for it, one has had no release since 2017 and hides every error, and the one that is
kept up cannot say STOPPING.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Self

from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.server import Server

_LOGGER = logging.getLogger(__name__)

STATUS_EVERY = 1.0
"""Seconds between two messages about how the service is, at the least."""


@contextlib.asynccontextmanager
async def notifying(server: Server, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Say READY on the way in and STOPPING on the way out; between them, keep systemd told and its watchdog fed.

    Where no NOTIFY_SOCKET is given, nothing at all happens.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        yield
        return
    with _Systemd(address) as systemd:
        systemd.tell("READY=1")
        tasks = [asyncio.create_task(_keep_told(systemd, server))]
        if (period := _watchdog_period(environment)) is not None:
            tasks.append(asyncio.create_task(_keep_feeding(systemd, server, period)))
        try:
            yield
        finally:
            systemd.tell("STOPPING=1")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def status(server: Server) -> str:
    """Return how the service is, in words such as `2 cameras (1 without a picture), 3 viewers`."""
    dark = sum(not camera.available for camera in server.cameras)
    without = f" ({dark} without a picture)" if dark else ""
    return f"{_counted(len(server.cameras), 'camera')}{without}, {_counted(server.viewers, 'viewer')}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _watchdog_period(environment: Mapping[str, str]) -> float | None:
    """Return the seconds within which systemd wants to hear of us; nothing when it does not watch this process."""
    period = environment.get("WATCHDOG_USEC", "")
    process = environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(period) / 1_000_000 if period.isdecimal() and process == str(os.getpid()) and int(period) else None


async def _keep_told(systemd: "_Systemd", server: Server) -> None:
    changed = asyncio.Event()
    for camera in server.cameras:
        camera.on_change.append(changed.set)
    said = None
    while True:
        if (now := status(server)) != said:
            said = now
            systemd.tell(f"STATUS={said}")
        await asyncio.sleep(STATUS_EVERY)
        await changed.wait()
        changed.clear()


async def _keep_feeding(systemd: "_Systemd", server: Server, period: float) -> None:
    """Feed the watchdog from the event loop, so that a loop that hangs starves it; and not for a camera that is stuck.

    A stuck camera's driver holds threads that only the end of the process can free.
    """
    starving = False
    while True:
        stuck = [camera.settings.name for camera in server.cameras if camera.state is CameraState.STUCK]
        if not stuck:
            systemd.tell("WATCHDOG=1")
        elif not starving:
            names = ", ".join(stuck)
            _LOGGER.error(
                "%s: the watchdog is no longer fed; systemd restarts the service within %.3g s", names, period
            )
        starving = bool(stuck)
        await asyncio.sleep(period / 2)


class _Systemd:
    """The socket on which systemd listens: a path, or, with a leading @, a name of Linux's abstract namespace."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A systemd that is too busy to read must not stop the pictures.
        self._socket.setblocking(False)  # noqa: FBT003  (the library's signature)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def tell(self, message: str) -> None:
        """Send one assignment, such as READY=1."""
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            _LOGGER.warning("systemd could not be told %s: %s", message, error)
