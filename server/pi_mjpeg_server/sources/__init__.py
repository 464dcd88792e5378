"""The interface of a camera source, and the sources that are installed.

A source is a class with three methods and a list of devices. This is a complete one, for a device that needs neither
opening nor closing:

    class Still:
        def __init__(self, settings: SourceSettings) -> None:
            self.path = settings.device or "picture.jpg"

        @staticmethod
        def devices() -> list[Device]:
            return []

        def open(self) -> SourceInfo:
            return SourceInfo(model="Still picture")

        def frames(self) -> Iterator[Picture | None]:
            while True:
                yield Picture(Path(self.path).read_bytes())
                time.sleep(1)

        def close(self) -> None:
            pass

A distribution registers it in the entry-point group `pi_mjpeg.sources`; the name of the entry point is its name in a
configuration (`source = "still"`).

A source with controls also has the two methods of `Adjustable`, one that can give fewer pictures that of
`RateLimitable`, one with a lens those of `Focusable`, one that can take larger pictures than it streams those of
`StillCapable`, and one that has more to tell in a report that of `Describable`. A source that skips broken pictures
yields None for each, counts them in an attribute `broken`, and says in an attribute `last_damage` what was wrong with
the last one. A method `check_idle` is called every two seconds while nothing is captured; what it raises closes the
source.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Protocol, cast, runtime_checkable

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources.controls import Control, ControlValue
from pi_mjpeg_server.sources.driver_text import MAX_NAME_LENGTH, printable

ENTRY_POINTS = "pi_mjpeg.sources"


class SourceError(Exception):
    """A camera cannot be used. The message tells its owner why and what to do."""


class DeviceBusyError(SourceError):
    """Somebody has the device: another program, or a driver call of this one that never returned."""


class CameraFoundError(SourceError):
    """Another device is to be used from now on: the source has to be closed and opened again, and nothing is wrong."""


class StillError(SourceError):
    """A still could not be taken. The camera is as it was, and `Source.frames` may be called again."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What is requested of a source. It gives the nearest that it can, and reports it in its `SourceInfo`.

    `device` names one of several devices in the source's own terms, `size` is width and height in pixels, `fps`
    pictures per second, `quality` the JPEG quality from 1 to 100, and `rotation` clockwise degrees. `controls` are
    values by the driver's names; those that the device does not have are ignored, and named in `SourceInfo.note`.
    Only CSI cameras have these: `sensor_mode` is width and height of the sensor's mode, None for the one with the
    widest view; `sensor_hdr` switches the HDR of the sensor, None leaves it as it is; and `tuning_file` is libcamera's.
    """

    device: str | None = None
    size: tuple[int, int] = (1280, 720)
    fps: float = 30
    quality: int = 80
    rotation: int = 0
    hflip: bool = False
    vflip: bool = False
    controls: Mapping[str, object] = field(default_factory=dict)
    sensor_mode: tuple[int, int] | None = None
    sensor_hdr: bool | None = None
    tuning_file: str | None = None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What an opened source really gives.

    `size` is width and height of the picture as it is shown, an EXIF orientation applied. `note` is a sentence for the
    log and the page, or None.
    """

    model: str | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    source: str | None = None
    note: str | None = None


def printable_info(info: SourceInfo) -> SourceInfo:
    """Return what an opened source gives without what no document may hold: odd characters, and a size without pixels.

    A source passes on what a driver, a library or a file name says.
    """
    return replace(
        info,
        model=printable(info.model or "", MAX_NAME_LENGTH) or None,
        note=printable(info.note or "") or None,
        size=info.size if info.size and min(info.size) > 0 else None,
    )


@dataclass(frozen=True, slots=True)
class Device:
    """One attached device. `device` is its name in a configuration."""

    device: str
    model: str
    detail: str = ""


class Source(Protocol):
    """A camera.

    All methods are called in one thread that belongs to this source alone, never on the event loop, in this order:
    `open`, then `frames` any number of times (at most one of its iterators is open at a time), then `close`, which is
    also called after an `open` that failed. Each raises `SourceError` for a problem that the owner can solve; any other
    exception counts as a failure of the camera too.
    """

    def open(self) -> SourceInfo:
        """Open the device, without starting to capture."""

    def frames(self) -> Iterator[Picture | None]:
        """Capture until the iterator is closed (a generator stops capturing in its `finally`).

        Yields each picture as soon as there is one, and `None` at least once a second while there is none, to show
        that the driver still responds.
        """

    def close(self) -> None:
        """Close the device. It may be called when nothing is open."""


@runtime_checkable
class Adjustable(Protocol):
    """A source with controls. These methods are called between `open` and `close`, in the same thread."""

    def controls(self) -> Mapping[str, Control]:
        """Return the controls by name, with their present values."""

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control to a value that `Control.validate` has returned.

        Raises `ControlError` when the camera does not take the value, and any other exception when it fails.
        """


@runtime_checkable
class RateLimitable(Protocol):
    """A source that can save power with fewer pictures, while only motion detection looks at them."""

    def limit_rate(self, fps: float | None) -> None:
        """Give at most `fps` pictures a second from now on; None for as many as the settings ask for.

        It is called after `open`, in the same thread, also while an iterator of `frames` is open.
        """


@runtime_checkable
class StillCapable(Protocol):
    """A source that can take stills larger than its pictures, for which it interrupts them.

    These methods are called between `open` and `close`, in the same thread.
    """

    def still_size(self) -> tuple[int, int] | None:
        """Return width and height of a still in pixels, or None if it would be no larger than the other pictures.

        It is also called while an iterator of `frames` is open, which it must not disturb.
        """

    def stills(self) -> Iterator[Picture | None]:
        """Capture at that size until the iterator is closed; after that, `frames` captures as before.

        No iterator of `frames` is open meanwhile. Yields as `frames` does, and also `None` after each call of the
        driver that may take long. Raises `StillError` for a failure that costs only the still; any other exception
        counts as a failure of the camera.
        """


@runtime_checkable
class Describable(Protocol):
    """A source that can tell more of itself than `SourceInfo` has, for the report of `pi-mjpeg selftest`."""

    def details(self) -> Mapping[str, str]:
        """Return facts by name, such as the encoder and the modes of the sensor.

        It is called after `open`, in the same thread, also while an iterator of `frames` is open.
        """


@runtime_checkable
class Focusable(Protocol):
    """A source that may have a lens. These methods are called while an iterator of `frames` is open, in its thread."""

    def start_focus(self) -> None:
        """Start to focus once, unless that is under way, and return at once.

        Raises `ControlError` if there is no lens that can be focused.
        """

    def focus_result(self) -> bool | None:
        """Return whether the last run has found a focus, None while it is under way. It ends by itself."""


class SourceKind(Protocol):
    """A class of sources, to which an entry point refers."""

    def __call__(self, settings: SourceSettings) -> Source:
        """Return a source; nothing is opened yet."""

    def devices(self) -> Sequence[Device]:
        """Return the attached devices of this kind. Raises `SourceError` if this machine cannot have any."""


def kinds() -> Mapping[str, Callable[[], SourceKind]]:
    """Return the installed kinds by name, each as a function that imports and returns it.

    That function raises `SourceError` when the kind is installed but cannot be imported.
    """
    return {point.name: _loader(point.name, point.load) for point in entry_points(group=ENTRY_POINTS)}


def _loader(name: str, load: Callable[[], object]) -> Callable[[], SourceKind]:
    def import_kind() -> SourceKind:
        try:
            return cast("SourceKind", load())
        except (Exception, SystemExit) as error:
            raise SourceError(f"the source {name!r} cannot be loaded: {error}") from error

    return import_kind
