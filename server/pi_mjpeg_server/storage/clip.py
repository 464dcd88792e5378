"""A kept clip: what its documents say of it, found in its file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.most_change import most_changed
from pi_mjpeg_server.media.scaling import ScalingError, scale_picture
from pi_mjpeg_server.storage.clip_file import Part
from pi_mjpeg_server.storage.picture_ids import camera_of_id, time_of_id

TRIGGERS = ("http", "mqtt", "motion")
"""Who can ask for a clip."""

THUMBNAIL_WIDTH = 480
"""Pixels. Wide enough for a notification on a phone."""

_MAX_COMPARED = 48
"""Pictures that are compared for a thumbnail: at most half a second of work on a Pi Zero 2."""
_MAX_DAMAGED = 16


class ClipError(Exception):
    """A clip cannot be written or read; the message says why."""


class NoRoomError(ClipError):
    """The clip has taken all the room that there is for clips, so it ends here."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A kept clip. Times are seconds.

    `time` is when it was asked for, since 1970; the first picture was taken `before` seconds earlier, the last one
    `after` seconds later, and `duration` seconds after the first. `width` and `height` are in pixels, and `bytes` is
    the length of its file. `trigger` says who asked for it: `http`, `mqtt` or `motion`.
    """

    id: str
    camera: str
    trigger: str
    time: float
    before: float
    after: float
    duration: float
    frames: int
    bytes: int
    width: int
    height: int


def file_name(identity: str, trigger: str) -> str:
    """Return the name of a clip's file."""
    return f"{identity}.{trigger}.mjpeg"


def read_clip(identity: str, trigger: str, descriptor: int, parts: Sequence[Part], time: float | None = None) -> Clip:
    """Return the clip of that id, whose file has these parts; `time` is more precise than the time in the id.

    Raises `ClipError` when there are none or the pictures are damaged, and `OSError`.
    """
    if not parts:
        raise ClipError("it has no picture")
    time = time_of_id(identity) if time is None else time
    first, last = parts[0].timestamp, parts[-1].timestamp
    width, height = _size(descriptor, parts)
    return Clip(
        identity,
        camera_of_id(identity),
        trigger,
        time,
        max(0.0, time - first),
        max(0.0, last - time),
        max(0.0, last - first),
        len(parts),
        parts[-1].end,
        width,
        height,
    )


def _size(descriptor: int, parts: Sequence[Part]) -> tuple[int, int]:
    for part in islice(parts, _MAX_DAMAGED):
        try:
            return jpeg.upright_size(part.read(descriptor))
        except jpeg.JpegError:
            continue
    raise ClipError("its pictures are damaged")


def make_thumbnail(descriptor: int, parts: Sequence[Part]) -> bytes:
    """Return a small JPEG of the picture that differs most from the one before. It takes its time. Raises `OSError`."""
    step = max(1, -(-len(parts) // _MAX_COMPARED))
    compared = parts[::step]
    picture = compared[most_changed(part.read(descriptor) for part in compared)].read(descriptor)
    try:
        return scale_picture(picture, THUMBNAIL_WIDTH, None)
    except ScalingError:
        return picture
