"""The source for a name in the configuration, `auto` included."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import (
    Adjustable,
    CameraFoundError,
    Device,
    Focusable,
    RateLimitable,
    Source,
    SourceError,
    SourceInfo,
    SourceKind,
    SourceSettings,
    StillCapable,
    StillError,
    kinds,
)
from pi_mjpeg_server.sources.controls import Control, ControlError, ControlValue

_LOGGER = logging.getLogger(__name__)

AUTO = "auto"
_ORDER = ("picamera2", "v4l2")
_SEARCH_INTERVAL = 2.0  # seconds, while the emulated camera is shown


class CameraMemory:
    """Remembers whether this machine ever had a camera, across restarts if there is a file for it."""

    def __init__(self, path: Path | None = None) -> None:
        """Remember by the existence of the file at `path`."""
        self._path = path
        self._has_seen = False

    @property
    def has_seen_one(self) -> bool:
        """Whether a camera was ever attached."""
        return self._has_seen or (self._path is not None and self._path.exists())

    def remember(self) -> None:
        """Note that a camera is attached."""
        if self.has_seen_one:
            return
        self._has_seen = True
        if self._path is not None:
            try:
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            except OSError as error:
                _LOGGER.warning("that a camera was found cannot be stored: %s", error)


def source_factory(name: str, memory: CameraMemory | None = None) -> Callable[[SourceSettings], Source]:
    """Return a function that makes a source of the kind `name`. Call it in a thread: it imports the library.

    `memory` tells the source `auto` whether it may show the emulated camera.
    """
    if name == AUTO:
        kept = memory or CameraMemory()
        return lambda settings: AutoSource(settings, kept)

    def make_source(settings: SourceSettings) -> Source:
        return kinds()[name]()(settings)

    return make_source


class AutoSource:
    """The first camera found: a CSI camera, else a USB camera. Each `open` searches again.

    Until a camera was ever found, the emulated one is shown, which gives way to one that is attached later. After
    that a camera that is gone is an error.
    """

    def __init__(self, settings: SourceSettings, memory: CameraMemory | None = None) -> None:
        """Take the settings; `open` chooses the source."""
        self._settings = settings
        self._memory = memory or CameraMemory()
        self._chosen: Source | None = None
        self._is_emulated = False
        self._searched = 0.0

    def open(self) -> SourceInfo:
        """Open the first camera found. If it is the emulated one, the note says why there is no other."""
        from pi_mjpeg_server.sources.emulated import EmulatedSource

        found, missing = _search()
        self._searched = time.monotonic()
        self._is_emulated = found is None
        why = "; ".join(missing)
        if found is not None:
            name, kind, devices = found
            self._memory.remember()
            self._chosen = kind(replace(self._settings, device=self._settings.device or devices[0].device))
            return replace(self._chosen.open(), source=name)
        if self._memory.has_seen_one:
            raise SourceError(f"the camera is not there any more ({why})")
        self._chosen = EmulatedSource(self._settings, caption="No camera was found")
        note = f"showing the emulated camera, because no other was found ({why})"
        return replace(self._chosen.open(), source="emulated", note=note)

    def check_idle(self) -> None:
        """Raise `CameraFoundError` when there is a camera, and the emulated one was opened."""
        if not self._is_emulated or time.monotonic() - self._searched < _SEARCH_INTERVAL:
            return
        found, _ = _search()
        self._searched = time.monotonic()
        if found is not None:
            raise CameraFoundError(f"a camera was found: {found[2][0].model}")

    def frames(self) -> Iterator[Picture | None]:
        """Capture from the chosen camera."""
        if self._chosen is None:
            raise SourceError("the camera was not opened")
        return self._pictures(self._chosen.frames()) if self._is_emulated else self._chosen.frames()

    def _pictures(self, pictures: Iterator[Picture | None]) -> Iterator[Picture | None]:
        for picture in pictures:
            self.check_idle()
            yield picture

    def close(self) -> None:
        """Close the chosen camera, if there is one."""
        chosen, self._chosen = self._chosen, None
        if chosen is not None:
            chosen.close()

    def controls(self) -> Mapping[str, Control]:
        """Return the chosen camera's controls."""
        chosen: object = self._chosen
        return chosen.controls() if isinstance(chosen, Adjustable) else {}

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set one of the chosen camera's controls."""
        chosen: object = self._chosen
        if isinstance(chosen, Adjustable):
            chosen.set_control(name, value)

    def limit_rate(self, fps: float | None) -> None:
        """Limit the rate of the chosen camera, if it can do that."""
        chosen: object = self._chosen
        if isinstance(chosen, RateLimitable):
            chosen.limit_rate(fps)

    def start_focus(self) -> None:
        """Focus the chosen camera, if it has a lens."""
        chosen: object = self._chosen
        if not isinstance(chosen, Focusable):
            raise ControlError("it has no lens that can be focused")
        chosen.start_focus()

    def focus_result(self) -> bool | None:
        """Return whether the chosen camera has found a focus."""
        chosen: object = self._chosen
        return chosen.focus_result() if isinstance(chosen, Focusable) else False

    def still_size(self) -> tuple[int, int] | None:
        """Return the size of the chosen camera's stills, or None if it has no larger ones."""
        chosen: object = self._chosen
        return chosen.still_size() if isinstance(chosen, StillCapable) else None

    def stills(self) -> Iterator[Picture | None]:
        """Take stills with the chosen camera."""
        chosen: object = self._chosen
        if not isinstance(chosen, StillCapable):
            raise StillError("the camera has no stills")
        return chosen.stills()

    @property
    def broken(self) -> int:
        """How many broken pictures the chosen camera has skipped."""
        return getattr(self._chosen, "broken", 0)

    @property
    def last_damage(self) -> str | None:
        """What was wrong with the last of them."""
        return getattr(self._chosen, "last_damage", None)


def _search() -> tuple[tuple[str, SourceKind, Sequence[Device]] | None, list[str]]:
    """Return the first kind that has a camera, with its devices, or None and why each kind has none."""
    missing = []
    installed = kinds()
    for name in (name for name in _ORDER if name in installed):
        try:
            kind = installed[name]()
            devices = kind.devices()
        except Exception as error:  # noqa: BLE001  (a library of one kind must not keep the others from being found)
            missing.append(f"{name}: {error}")
            continue
        if devices:
            return (name, kind, devices), missing
        missing.append(f"{name}: no camera attached")
    return None, missing
