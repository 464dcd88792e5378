"""The source for a name in the configuration, `auto` included."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Adjustable, Source, SourceError, SourceInfo, SourceSettings, kinds
from pi_mjpeg_server.sources.controls import Control, ControlValue

AUTO = "auto"
_ORDER = ("picamera2", "v4l2", "emulated")


def source_factory(name: str) -> Callable[[SourceSettings], Source]:
    """Return a function that makes a source of the kind `name`. Call it in a thread: it imports the library."""
    if name == AUTO:
        return AutoSource

    def make_source(settings: SourceSettings) -> Source:
        return kinds()[name]()(settings)

    return make_source


class AutoSource:
    """The first camera found: a CSI camera, else a USB camera, else the emulated one. Each `open` searches again."""

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; `open` chooses the source."""
        self._settings = settings
        self._chosen: Source | None = None

    def open(self) -> SourceInfo:
        """Open the first camera found. If it is the emulated one, the note says why there is no other."""
        missing = []
        installed = kinds()
        for name in (name for name in _ORDER if name in installed):
            try:
                kind = installed[name]()
                devices = kind.devices()
            except SourceError as error:
                missing.append(f"{name}: {error}")
                continue
            if not devices:
                missing.append(f"{name}: no camera attached")
                continue
            device = self._settings.device or devices[0].device
            self._chosen = kind(replace(self._settings, device=device))
            info = self._chosen.open()
            note = f"showing the emulated camera, because no other was found ({'; '.join(missing)})"
            return replace(info, source=name, note=note if name == "emulated" else info.note)
        raise SourceError("no kind of camera is installed: install pi-mjpeg-server again")

    def frames(self) -> Iterator[Picture | None]:
        """Capture from the chosen camera."""
        if self._chosen is None:
            raise SourceError("the camera was not opened")
        return self._chosen.frames()

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

    @property
    def broken(self) -> int:
        """How many broken pictures the chosen camera has skipped."""
        return getattr(self._chosen, "broken", 0)
