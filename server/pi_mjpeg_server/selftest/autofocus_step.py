"""A single focus run of a camera that focuses itself: whether it ends, how long it takes, and what it brings."""

import time

from pi_mjpeg_server.selftest.camera_steps import after_settling, capturing, opened
from pi_mjpeg_server.selftest.control_steps import sharpness
from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import Focusable
from pi_mjpeg_server.sources.controls import ControlError

_FOCUS_TIMEOUT = 15.0


def autofocus(target: Target, _seconds: float) -> Finding:
    """Have the camera focus once, and compare how sharp it is before and after."""
    with opened(target) as (source, _):
        if not isinstance(source, Focusable):
            return absent("it does not focus itself")
        with capturing(source.frames()) as pictures:
            before = after_settling(pictures)
            began = time.monotonic()
            try:
                source.start_focus()
            except ControlError as error:
                return absent(str(error))
            picture = next(pictures)
            while (found := source.focus_result()) is None and time.monotonic() - began < _FOCUS_TIMEOUT:
                picture = next(pictures)
            ended = time.monotonic()
    if found is None:
        return failed(f"it did not end within {_FOCUS_TIMEOUT:.0f} s")
    text = f"{ended - began:.1f} s, sharpness {sharpness(before):.0f} before and {sharpness(picture):.0f} after"
    return passed(text) if found else failed(f"{text}: no focus was found; show it something with details")
