"""One run of an autofocus, from its trigger to its result, by the states that libcamera reports with each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources.libcamera_controls import FOCUS_MODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pi_mjpeg_server.sources.controls import Control

SINGLE_RUN = "Auto"
"""The mode in which libcamera takes a trigger, and moves the lens at nothing else."""
MANUAL = "Manual"
TRIGGER = "AfTrigger"
START = 0
"""`AfTriggerStart`."""

_SCANNING, _FOCUSED = 1, 2
"""Values of `AfState`; the others are idle (0) and failed (3)."""
_START_TIME, _SCAN_TIME = 1.5, 8.0  # seconds


class FocusRun:
    """One run that is triggered at `now`, in seconds of any clock.

    `focused` is None while it runs, then whether the picture is sharp. The first frames after the trigger still report
    the state before it: only what follows the scan counts, unless none begins in time.
    """

    def __init__(self, now: float) -> None:
        """Begin."""
        self.focused: bool | None = None
        self._began = now
        self._has_scanned = False

    def follows(self, metadata: Mapping[str, Any], now: float) -> bool:
        """Take the metadata of a frame. Return whether the run has ended with it."""
        if self.focused is not None:
            return False
        state, seconds = metadata.get("AfState"), now - self._began
        if state == _SCANNING:
            self._has_scanned = True
        elif self._has_scanned or seconds >= _START_TIME:
            self.focused = state == _FOCUSED
        if self.focused is None and seconds >= _SCAN_TIME:
            self.focused = False
        return self.focused is not None

    def cancel(self) -> None:
        """End it without a focus, if it has not ended."""
        self.focused = bool(self.focused)


def has_lens(controls: Mapping[str, Control]) -> bool:
    """Return whether a camera has a lens that can be focused on request."""
    return FOCUS_MODE in controls and SINGLE_RUN in controls[FOCUS_MODE].options
