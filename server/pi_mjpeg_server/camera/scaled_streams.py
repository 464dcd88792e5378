"""Which scaled streams there are: one for each width of a camera that somebody watches."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator

from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import TooManyWidthsError
from pi_mjpeg_server.camera.scaled_stream import ScaledStream, ScalingCounts
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.media.scaling import STREAM_QUALITY, Scaler, scale_picture

MAX_WIDTHS = 4
"""Widths of one camera at once. Each takes memory for a picture, and a turn of the one thread that scales for it."""


class ScaledStreams:
    """The scaled streams of all cameras. Nothing is scaled, and nothing kept, of a width that nobody watches.

    `counts` has what was scaled of each camera, by its id.
    """

    def __init__(self, scaler: Scaler) -> None:
        """Start without any. `scaler` takes its turns with those who want a scaled snapshot."""
        self.counts: defaultdict[str, ScalingCounts] = defaultdict(ScalingCounts)
        self._scaler = scaler
        self._streams: dict[tuple[str, int], ScaledStream] = {}

    @contextlib.contextmanager
    def watching(self, camera: Camera, width: int, fps: float | None) -> Iterator[Broadcast]:
        """Yield the camera's frames at most `width` pixels wide, and no fewer than `fps` a second if it gives as many.

        They are the camera's own if those are not wider. Raises `TooManyWidthsError`.
        """
        size = camera.source_info.size
        if size is not None and width >= size[0]:
            yield camera.broadcast
            return
        key = camera.settings.id, width
        stream = self._streams.get(key) or self._new(camera, width)
        self._streams[key] = stream
        try:
            with stream.watching(fps):
                yield stream.broadcast
        finally:
            if not stream.is_watched:
                self._streams.pop(key, None)

    def _new(self, camera: Camera, width: int) -> ScaledStream:
        camera_id, name = camera.settings.id, camera.settings.name
        widths = sorted(each for owner, each in self._streams if owner == camera_id)
        if len(widths) >= MAX_WIDTHS:
            raise TooManyWidthsError(
                f"{name} is watched at {MAX_WIDTHS} widths already, and there can be no more at once: "
                f"ask for one of {', '.join(map(str, widths))}"
            )

        async def scale(frame: Frame, width: int) -> bytes:
            if frame.drawn:
                # It is quickly done, and says that the camera is off while a large picture may still take its turn.
                return await run_in_daemon_thread(lambda: scale_picture(frame.jpeg, width, None), "scaler")
            return await self._scaler.scale(camera_id, frame, width, None, STREAM_QUALITY)

        return ScaledStream(name, width, camera.broadcast, scale, self.counts[camera_id])
