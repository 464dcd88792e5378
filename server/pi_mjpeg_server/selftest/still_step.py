"""A still at the camera's full size, and how long its other pictures are missing because of it."""

import time

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.selftest.camera_steps import after_settling, capturing, opened
from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import StillCapable


def full_still(target: Target, _seconds: float) -> Finding:
    """Interrupt the pictures for a still at the full size, and go on with them."""
    with opened(target) as (source, _):
        size = source.still_size() if isinstance(source, StillCapable) else None
        if size is None or not isinstance(source, StillCapable):
            return absent("a still would be no larger than the other pictures")
        with capturing(source.frames()) as pictures:
            after_settling(pictures)
        began = time.monotonic()
        with capturing(source.stills()) as stills:
            still = next(each for each in stills if each.settled)
            taken = time.monotonic()
        with capturing(source.frames()) as pictures:
            next(pictures)
        back = time.monotonic()
    width, height = still.size or jpeg.upright_size(still.jpeg)
    text = (
        f"{width}x{height}, {len(still.jpeg) / 1e6:.2f} MB, taken in {taken - began:.2f} s; "
        f"no other pictures for {back - began:.2f} s"
    )
    return passed(text) if (width, height) == size else failed(f"{text}: it should have {size[0]}x{size[1]}")
