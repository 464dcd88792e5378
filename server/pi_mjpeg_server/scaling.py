"""Smaller copies of a frame: made in a thread, once per frame and size however many ask."""

import asyncio
import io
from collections import OrderedDict

from pi_mjpeg_server.frame import Frame

_KEPT = 4
_QUALITY = 80

SMALLEST, LARGEST = 16, 8192
"""Bounds of a width or height that can be asked for, in pixels."""


class Scaler:
    """The scaled copies of one camera's newest frames; at most four are kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._copies: OrderedDict[tuple[int, int | None, int | None], asyncio.Task[bytes]] = OrderedDict()

    async def scaled(self, frame: Frame, width: int | None, height: int | None) -> bytes:
        """Return a JPEG that fits into `width` x `height` pixels and keeps its shape; never larger than the frame."""
        if width is None and height is None:
            return frame.jpeg
        key = (frame.sequence, width, height)
        if key not in self._copies:
            self._copies[key] = asyncio.create_task(asyncio.to_thread(_scale, frame.jpeg, width, height))
            while len(self._copies) > _KEPT:
                self._copies.popitem(last=False)
        # Another request may wait for the same copy: whoever gives up must not end the work for all.
        return await asyncio.shield(self._copies[key])


def _scale(jpeg: bytes, width: int | None, height: int | None) -> bytes:
    from PIL import Image  # noqa: PLC0415  (a server that never scales never needs Pillow)

    with Image.open(io.BytesIO(jpeg)) as image:
        ratio = min((width or LARGEST) / image.width, (height or LARGEST) / image.height)
        if ratio >= 1:
            return jpeg
        size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        # The decoder itself leaves out what a picture of half, quarter or eighth size does not need.
        image.draft("RGB", size)
        buffer = io.BytesIO()
        image.resize(size).save(buffer, "JPEG", quality=_QUALITY)
        return buffer.getvalue()
