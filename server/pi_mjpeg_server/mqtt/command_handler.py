"""Executes the commands that arrive over MQTT and publishes their results."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.documents import ERROR_CODES, SCHEMA, Document, iso
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import commands
from pi_mjpeg_server.mqtt.background_tasks import log_failure
from pi_mjpeg_server.mqtt.client import Message
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server

MAX_CONCURRENT_COMMANDS = 4
"""Commands that run at once for one camera; further ones are answered with the code `busy`."""


def result_document(command: commands.Command, error: tuple[str, str] | None, now: float) -> Document:
    """Return the result of a command; `error` is its code, the same as over HTTP, and its message."""
    return {
        "schema": SCHEMA,
        "command": command.name,
        "id": command.id,
        "error": None if error is None else {"code": error[0], "message": error[1]},
        "time": iso(now),
    }


class CommandHandler:
    """Handles the messages on the cameras' command topics."""

    def __init__(self, server: Server, topics: Topics, publish: Callable[[str, Document], None]) -> None:
        """Execute commands on the cameras of `server`; `publish` publishes a result on a topic."""
        self._server = server
        self._topics = topics
        self._publish = publish
        self._rate_limited_log = RateLimitedLog()
        self._running: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def received(self, message: Message) -> None:
        """Execute the command in a message. A retained one is ignored: it was meant for an earlier time."""
        camera = self._server.camera(self._topics.commanded_camera(message.topic) or "")
        if camera is None:
            return
        ignored = f"MQTT: a message on {message.topic} is ignored"
        if message.retained:
            self._rate_limited_log.warn(f"{message.topic} retained", f"{ignored}: commands must not be retained")
            return
        try:
            command = commands.parse(message.payload)
        except commands.CommandError as error:
            self._rate_limited_log.warn(message.topic, f"{ignored}: {error}")
            return
        task = asyncio.create_task(self._handle(camera, command), name=f"mqtt-command-{camera.settings.id}")
        task.add_done_callback(log_failure)
        task.add_done_callback(self._tasks.discard)
        self._tasks.add(task)

    async def stop(self) -> None:
        """Cancel the running commands and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _handle(self, camera: Camera, command: commands.Command) -> None:
        camera_id = camera.settings.id
        # Privacy does not wait for pictures; the camera is switched before anything is awaited.
        is_switch = command.name in {"enable", "disable"}
        if self._running[camera_id] >= MAX_CONCURRENT_COMMANDS and not is_switch:
            message = f"{camera.settings.name} already runs {MAX_CONCURRENT_COMMANDS} commands; send fewer at once"
            error: tuple[str, str] | None = ("busy", message)
        else:
            self._running[camera_id] += 1
            try:
                error = await self._execute(camera, command)
            finally:
                self._running[camera_id] -= 1
        self._publish(self._topics.camera(camera_id, "result"), result_document(command, error, time.time()))

    async def _execute(self, camera: Camera, command: commands.Command) -> tuple[str, str] | None:
        try:
            if command.name == "restart":
                camera.restart()
            elif command.name in {"enable", "disable"}:
                await self._server.set_enabled(camera, command.name == "enable")
            elif command.name == "set":
                await self._server.adjust(camera, command.controls)
            else:
                await self._server.take_snapshot(camera, "mqtt")
        except tuple(ERROR_CODES) as error:
            code = next(code for kind, code in ERROR_CODES.items() if isinstance(error, kind))
            return code, str(error)
        return None
