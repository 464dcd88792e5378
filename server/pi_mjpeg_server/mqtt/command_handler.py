"""Executes the commands that arrive over MQTT and publishes their results."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraBusyError
from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.documents import ERROR_CODES, SCHEMA, Document, iso, rounded_gap
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import commands
from pi_mjpeg_server.mqtt.reconnecting_client import Message
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server

MAX_CONCURRENT_COMMANDS = 4
"""Commands that run at once for one camera; further ones are answered with the code `busy`."""
COMMAND_BURST = 4
"""Commands of one kind that one camera takes at once; a restart has a limit of its own."""
COMMANDS_PER_SECOND = 1.0
"""The same in the long run."""

_NOT_COUNTED = frozenset({"clip"})
"""Commands that take minutes, so that they would keep others waiting. The recorder limits how many run at once."""


def result_document(
    command: commands.Command, error: tuple[str, str] | None, now: float, gap: float | None = None
) -> Document:
    """Return the result of a command; `error` is its code, the same as over HTTP, and its message.

    `gap` is for how many seconds viewers had no new picture because of it, if it takes full-size stills.
    """
    return {
        "schema": SCHEMA,
        "command": command.name,
        "id": command.id,
        "error": None if error is None else {"code": error[0], "message": error[1]},
        "time": iso(now),
        **({} if gap is None else {"gap": rounded_gap(gap)}),
    }


class CommandHandler:
    """Handles the messages on the cameras' command topics."""

    def __init__(self, server: Server, topics: Topics, publish: Callable[[str, Document], None]) -> None:
        """Execute commands on the cameras of `server`; `publish` publishes a result on a topic."""
        self._server = server
        self._topics = topics
        self._publish = publish
        self._rate_limited_log = RateLimitedLog()
        self._rate_limit = RateLimit(COMMAND_BURST, COMMANDS_PER_SECOND)
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
        try:
            self._admit(camera, command.name)
        except CameraBusyError as error:
            self._finish(camera, command, error)
            return
        self._running[camera.settings.id] += command.name not in _NOT_COUNTED
        task = create_logged_task(self._execute(camera, command), f"mqtt-command-{camera.settings.id}")
        task.add_done_callback(self._tasks.discard)
        self._tasks.add(task)

    async def stop(self) -> None:
        """Cancel the running commands and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _admit(self, camera: Camera, name: str) -> None:
        """Raise `CameraBusyError` if a command is one too many. A camera can always be switched off."""
        if name == "disable":
            return
        if wait := self._rate_limit.take((camera.settings.id, name), time.monotonic()):
            message = f"{camera.settings.name} takes {COMMANDS_PER_SECOND:g} {name} command a second; send fewer"
            raise CameraBusyError(message, wait)
        # Switching it on does not wait for pictures either.
        if name in {"enable", *_NOT_COUNTED}:
            return
        if self._running[camera.settings.id] >= MAX_CONCURRENT_COMMANDS:
            message = f"{camera.settings.name} already runs {MAX_CONCURRENT_COMMANDS} commands; send fewer at once"
            raise CameraBusyError(message, 1 / COMMANDS_PER_SECOND)

    async def _execute(self, camera: Camera, command: commands.Command) -> None:
        failure: Exception | None = None
        gap: float | None = None
        try:
            if command.name == "restart":
                camera.restart()
            elif command.name == "focus":
                await self._server.focus(camera)
            elif command.name in {"enable", "disable"}:
                await self._server.set_enabled(camera, command.name == "enable")
            elif command.name == "set" and command.motion:
                await self._server.set_motion(camera, command.motion)
            elif command.name == "set":
                await self._server.adjust(camera, command.controls)
            elif command.name == "clip":
                await self._server.record_clip(camera, command.clip, "mqtt")
            elif command.full:
                _, gap = await self._server.take_full_snapshot(camera, "mqtt")
            else:
                await self._server.take_snapshot(camera, "mqtt")
        except tuple(ERROR_CODES) as error:
            failure = error
        finally:
            self._running[camera.settings.id] -= command.name not in _NOT_COUNTED
        self._finish(camera, command, failure, gap)

    def _finish(
        self, camera: Camera, command: commands.Command, failure: Exception | None, gap: float | None = None
    ) -> None:
        """Log what became of a command, and publish its result."""
        name, camera_id = camera.settings.name, camera.settings.id
        error = None
        if failure is None:
            self._rate_limited_log.info(f"{camera_id} {command.name}", f"{name}: {command.name} by a command over MQTT")
        else:
            code = next(code for kind, code in ERROR_CODES.items() if isinstance(failure, kind))
            error = code, str(failure)
            self._rate_limited_log.warn(
                f"{camera_id} {command.name} {code}", f"{name}: the command {command.name} over MQTT fails: {failure}"
            )
        self._publish(self._topics.camera(camera_id, "result"), result_document(command, error, time.time(), gap))
