"""Notifies systemd that the service is ready, what its status is, that it is alive, and that it stops.

The protocol is that of sd_notify(3): one datagram for each message. It is stable and made to be used without a library.
Of the small Python libraries for it, one has had no release since 2017 and hides every error, and the one that is
maintained has no STOPPING.
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

STATUS_INTERVAL = 1.0
"""The shortest time between two STATUS messages, in seconds."""
_STARTING_MARGIN = 30.0


@contextlib.asynccontextmanager
async def systemd_notifications(server: Server, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Send READY on entry and STOPPING on exit; in between, send each change of STATUS and feed the watchdog.

    Does nothing when the environment has no NOTIFY_SOCKET.
    """
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        yield
        return
    with _NotifySocket(address) as notify_socket:
        notify_socket.notify("READY=1")
        tasks = [asyncio.create_task(_send_status(notify_socket, server))]
        if (period := _watchdog_period(environment)) is not None:
            tasks.append(asyncio.create_task(_feed_watchdog(notify_socket, server, period)))
        try:
            yield
        finally:
            notify_socket.notify("STOPPING=1")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def notify_waiting(environment: Mapping[str, str], reason: str, seconds: float) -> None:
    """Send why the service is not ready yet, and have systemd wait for `seconds` and half a minute more.

    Does nothing when the environment has no NOTIFY_SOCKET.
    """
    if address := environment.get("NOTIFY_SOCKET"):
        microseconds = round((seconds + _STARTING_MARGIN) * 1_000_000)
        status_line = " ".join(reason.split())
        with _NotifySocket(address) as notify_socket:
            notify_socket.notify(f"STATUS=Waiting: {status_line}\nEXTEND_TIMEOUT_USEC={microseconds}")


def status(server: Server) -> str:
    """Return the status line for `systemctl status`, such as `2 cameras (1 without a picture), 3 viewers`."""
    off = sum(not camera.enabled for camera in server.cameras)
    failing = sum(camera.enabled and not camera.available for camera in server.cameras)
    counted = [f"{number} {what}" for number, what in ((failing, "without a picture"), (off, "off")) if number]
    without = f" ({', '.join(counted)})" if counted else ""
    return f"{_counted(len(server.cameras), 'camera')}{without}, {_counted(server.viewers, 'viewer')}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _watchdog_period(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog's time-out in seconds, or None if there is no watchdog for this process.

    See sd_watchdog_enabled(3): WATCHDOG_PID names the process that systemd expects messages from.
    """
    period = environment.get("WATCHDOG_USEC", "")
    process = environment.get("WATCHDOG_PID", str(os.getpid()))
    return int(period) / 1_000_000 if period.isdecimal() and process == str(os.getpid()) and int(period) else None


async def _send_status(notify_socket: "_NotifySocket", server: Server) -> None:
    changed = asyncio.Event()
    for camera in server.cameras:
        camera.on_change.append(changed.set)
    sent = None
    while True:
        if (now := status(server)) != sent:
            sent = now
            notify_socket.notify(f"STATUS={sent}")
        await asyncio.sleep(STATUS_INTERVAL)
        await changed.wait()
        changed.clear()


async def _feed_watchdog(notify_socket: "_NotifySocket", server: Server, period: float) -> None:
    """Send WATCHDOG=1 twice in each period, but not while a camera is stuck.

    It is sent from the event loop, so a loop that hangs sends none. A stuck camera's driver holds threads that only
    the end of the process can free, so systemd has to restart the service.
    """
    was_stuck = False
    while True:
        stuck = [camera.settings.name for camera in server.cameras if camera.state is CameraState.STUCK]
        if not stuck:
            notify_socket.notify("WATCHDOG=1")
        elif not was_stuck:
            names = ", ".join(stuck)
            _LOGGER.error(
                "%s: the watchdog is no longer fed; systemd restarts the service within %.3g s", names, period
            )
        was_stuck = bool(stuck)
        await asyncio.sleep(period / 2)


class _NotifySocket:
    """The socket that systemd receives messages on: a path, or @ and a name in Linux's abstract namespace."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # When systemd is too busy to read, the message is lost: the event loop must not wait for it.
        self._socket.setblocking(False)  # noqa: FBT003  (the library's signature)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def notify(self, message: str) -> None:
        """Send one assignment, such as READY=1. A failure is only logged."""
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            _LOGGER.warning("systemd could not be notified of %s: %s", message, error)
