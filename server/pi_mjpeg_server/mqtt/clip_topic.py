"""The last kept clip of each camera, retained at the broker."""

import asyncio

from pi_mjpeg_server.documents import SCHEMA, clip_document
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.clip import Clip


class ClipTopic:
    """Publishes each new clip, and follows the folder: clips of earlier processes, deleted ones, a rotated token."""

    def __init__(self, server: Server, topics: Topics, publisher: RetainedMessages) -> None:
        """Prepare to publish."""
        self._server = server
        self._topics = topics
        self._publisher = publisher
        self._base_url: str | None = None
        self._last: dict[str, Clip] = {}

    def start(self) -> None:
        """Listen to the recorder."""
        self._server.recorder.on_clip.append(self._recorded)

    def publish_all(self, base_url: str) -> None:
        """Publish the last clip of each camera, with URLs below `base_url`."""
        self._base_url = base_url
        for clip in self._last.values():
            self._publish(clip)

    async def refresh(self) -> None:
        """Publish what has changed in the folder. A message that is retained already is not sent again."""
        for camera in self._server.cameras:
            camera_id = camera.settings.id
            known = self._last.get(camera_id)
            last = await asyncio.to_thread(self._server.clips.latest, camera_id)
            if self._last.get(camera_id) is not known:
                continue  # One was recorded meanwhile, and is published.
            if last is not None:
                self._recorded(last)
            elif self._last.pop(camera_id, None) is not None:
                self._publisher.publish(self._topics.camera(camera_id, "clip"), "")

    def _recorded(self, clip: Clip) -> None:
        self._last[clip.camera] = clip
        self._publish(clip)

    def _publish(self, clip: Clip) -> None:
        if self._base_url is not None:
            document = {"schema": SCHEMA, **clip_document(self._server, clip, self._base_url)}
            self._publisher.publish(self._topics.camera(clip.camera, "clip"), document)
