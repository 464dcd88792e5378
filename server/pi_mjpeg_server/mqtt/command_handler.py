"""Does what is asked of the cameras by MQTT, and says how it ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.documents import SCHEMA, Document, iso
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import commands
from pi_mjpeg_server.mqtt.client import Message
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.sources.controls import ControlError
from pi_mjpeg_server.storage.snapshots import SnapshotError

MAX_CONCURRENT_COMMANDS = 4
"""Commands that one camera works on at once; more are answered with `busy`."""


def result_document(command: commands.Command, error: tuple[str, str] | None, now: float) -> Document:
    """Return how a command ended; an error is its code, as over HTTP, and its message."""
    return {
        "schema": SCHEMA,
        "command": command.name,
        "id": command.id,
        "error": None if error is None else {"code": error[0], "message": error[1]},
        "time": iso(now),
    }


class CommandHandler:
    """The cameras' command topics."""

    def __init__(self, server: Server, topics: Topics, say: Callable[[str, Document], None]) -> None:
        """Obey for these cameras; `say` publishes a result on a topic."""
        self._server = server
        self._topics = topics
        self._say = say
        self._rate_limited_log = RateLimitedLog()
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def received(self, message: Message) -> None:
        """Obey a command. A retained one is not obeyed: it was meant for another time."""
        camera = self._server.camera(self._topics.commanded(message.topic) or "")
        if camera is None:
            return
        where = f"MQTT: a message on {message.topic} is ignored"
        if message.retained:
            self._rate_limited_log.warn(f"{message.topic} retained", f"{where}: commands must not be retained")
            return
        try:
            command = commands.parse(message.payload)
        except commands.CommandError as error:
            self._rate_limited_log.warn(message.topic, f"{where}: {error}")
            return
        task = asyncio.create_task(self._obey(camera, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave undone what is not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _obey(self, camera: Camera, command: commands.Command) -> None:
        error: tuple[str, str] | None = None
        camera_id = camera.settings.id
        if self._under_way[camera_id] >= MAX_CONCURRENT_COMMANDS:
            error = (
                "busy",
                f"{camera.settings.name} works on {MAX_CONCURRENT_COMMANDS} commands already; send fewer at once",
            )
        else:
            self._under_way[camera_id] += 1
            try:
                await self._do(camera, command)
            except ControlError as wrong:
                error = "bad_control", str(wrong)
            except CameraUnavailableError as unavailable:
                error = "camera_unavailable", str(unavailable)
            except SnapshotError as failed:
                error = "insufficient_storage", str(failed)
            finally:
                self._under_way[camera_id] -= 1
        self._say(self._topics.camera(camera_id, "result"), result_document(command, error, time.time()))

    async def _do(self, camera: Camera, command: commands.Command) -> None:
        if command.name == "restart":
            camera.restart()
        elif command.name == "set":
            await self._server.adjust(camera, command.controls)
        else:
            await self._server.take_snapshot(camera, "mqtt")
