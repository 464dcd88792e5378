"""What a kind of camera has to be, and which kinds are installed.

A source is a class with three methods. This is a whole one, for a device that needs neither opening nor closing:

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

A distribution offers it under the entry-point group `pi_mjpeg.sources`; the entry point's name is what a
configuration calls it by (`source = "still"`).

A source that can be adjusted while it runs has two methods more, those of `Adjustable`. One that leaves out broken
pictures counts them in an attribute `broken`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol, cast, runtime_checkable

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources.controls import Control, ControlValue

ENTRY_POINTS = "pi_mjpeg.sources"


class SourceError(Exception):
    """A camera cannot be used; the message says why and what to do, in words for the person who owns it."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What is asked of a source; it gives the nearest it has and says so in its `SourceInfo`.

    `device` names one of several devices in the source's own terms, `size` is width and height in pixels, `fps`
    pictures a second, `quality` JPEG's 1 to 100, `rotation` clockwise degrees. `controls` are values by the
    driver's own names; those that it does not have are left out and told in the `SourceInfo`'s note.
    """

    device: str | None = None
    size: tuple[int, int] = (1280, 720)
    fps: float = 30
    quality: int = 80
    rotation: int = 0
    hflip: bool = False
    vflip: bool = False
    controls: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What an opened source really gives. `note` is a sentence for the log and the page, if there is one to say."""

    model: str | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    source: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One attached device: `device` is what a configuration names it by."""

    device: str
    model: str
    detail: str = ""


class Source(Protocol):
    """A camera.

    All its calls are made in one thread that belongs to it alone, never on the event loop, in this order:
    `open`, then `frames` any number of times (at most one of its iterators lives at a time), then `close`, which is
    also called after an `open` that failed. Any of them raises `SourceError` for what the owner can mend; every other
    exception counts as a failure of the camera too.
    """

    def open(self) -> SourceInfo:
        """Take hold of the device, without starting to capture."""

    def frames(self) -> Iterator[Picture | None]:
        """Capture until the iterator is closed (a generator stops capturing in its `finally`).

        Yields each picture as soon as it is there, and `None` at least once a second while there is none, which
        shows that the driver still answers.
        """

    def close(self) -> None:
        """Let go of the device. It may be called when nothing is open."""


@runtime_checkable
class Adjustable(Protocol):
    """A source with controls. Its methods are called between `open` and `close`, in the same thread as those."""

    def controls(self) -> Mapping[str, Control]:
        """Return what can be adjusted, with the present values."""

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control to a value that `Control.checked` has accepted."""


class SourceKind(Protocol):
    """A class of sources, as an entry point names it."""

    def __call__(self, settings: SourceSettings) -> Source:
        """Make a source; nothing is opened yet."""

    def devices(self) -> Sequence[Device]:
        """List the attached devices of this kind. Raises `SourceError` where this machine cannot have any."""


def kinds() -> Mapping[str, Callable[[], SourceKind]]:
    """Return the installed kinds by name, each as a function that imports it.

    That function raises `SourceError` when the kind is installed but cannot be imported.
    """
    return {point.name: _loader(point.name, point.load) for point in entry_points(group=ENTRY_POINTS)}


def _loader(name: str, load: Callable[[], object]) -> Callable[[], SourceKind]:
    def import_kind() -> SourceKind:
        try:
            return cast("SourceKind", load())
        except Exception as error:
            raise SourceError(f"the source {name!r} cannot be loaded: {error}") from error

    return import_kind
