"""Stills of a webcam in its largest JPEG mode, for which the stream stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import StillError
from pi_mjpeg_server.sources.v4l2_device import COMPRESSED, RawFrame, V4L2Device, VideoMode

if TYPE_CHECKING:
    from collections.abc import Generator

_HEARTBEAT = 0.5  # seconds
SKIPPED_FRAMES = 2
"""Frames that are left out after a change of the mode: the first ones are often cut off or too dark."""


def largest_mode(webcam: V4L2Device) -> VideoMode | None:
    """Return the largest mode whose pictures the camera encodes, at its highest rate, or None if there is none.

    Larger modes than we accept pictures are left out.
    """
    modes = [
        mode
        for mode in webcam.modes((jpeg.MAX_SIDE, jpeg.MAX_SIDE))
        if mode.pixel_format in COMPRESSED and pixels(mode) <= jpeg.MAX_PIXELS and max(mode.size) <= jpeg.MAX_SIDE
    ]
    return max(modes, key=lambda mode: (pixels(mode), mode.fps), default=None)


def pixels(mode: VideoMode) -> int:
    """Return how many pixels the pictures of a mode have."""
    width, height = mode.size
    return width * height


def capture(webcam: V4L2Device, mode: VideoMode, fps: float) -> Generator[RawFrame | None, None, None]:
    """Capture in this mode until closed, and yield None after each call of the driver until the first frame.

    Raises `StillError`, and the `OSError` of a driver that does not stop.
    """
    try:
        actual = webcam.set_mode(mode, fps)
        if actual.pixel_format not in COMPRESSED:
            raise StillError(f"the camera has set {actual.pixel_format} instead of {mode.pixel_format}")
        yield None
        webcam.start()
        yield None
        for _ in range(SKIPPED_FRAMES):
            while webcam.read(_HEARTBEAT, newest=False) is None:
                yield None
            yield None
        while True:
            yield webcam.read(_HEARTBEAT, newest=False)
    except OSError as error:
        width, height = mode.size
        raise StillError(f"the camera does not capture at {width}x{height}: {error.strerror or error}") from error
    finally:
        webcam.stop()
