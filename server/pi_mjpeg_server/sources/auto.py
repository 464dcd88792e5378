"""Which source a configuration means by the name it gives, `auto` included."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Adjustable, Source, SourceError, SourceInfo, SourceSettings, kinds
from pi_mjpeg_server.sources.controls import Control, ControlValue

AUTO = "auto"
_ORDER = ("picamera2", "v4l2", "emulated")


def source_maker(name: str) -> Callable[[SourceSettings], Source]:
    """Return what makes a source of the kind `name`. To be called in a thread: it imports the library."""
    if name == AUTO:
        return AutoSource

    def make(settings: SourceSettings) -> Source:
        return kinds()[name]()(settings)

    return make


class AutoSource:
    """The first camera there is: a CSI camera, else a USB camera, else the emulated one; anew at each opening."""

    def __init__(self, settings: SourceSettings) -> None:
        """Choose later, in `open`."""
        self._settings = settings
        self._chosen: Source | None = None

    def open(self) -> SourceInfo:
        """Open the first camera; the note says why it is an emulated one, if it is."""
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
            mode = self._chosen.open()
            note = f"showing the emulated camera, because no other was found ({'; '.join(missing)})"
            return replace(mode, source=name, note=note if name == "emulated" else mode.note)
        raise SourceError("no kind of camera is installed: install pi-mjpeg-server anew")

    def frames(self) -> Iterator[Picture | None]:
        """Return the chosen camera's frames."""
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
        """How many broken pictures the chosen camera left out."""
        return getattr(self._chosen, "broken", 0)
