"""The documents of the contract as values, validated when they were parsed.

A value that is None was not known to the server, or was wrong. A server or camera whose name is wrong is called by its
id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from yarl import URL

from .validators import time_in_snapshot_id

type ControlValue = bool | float | str


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnouncedCamera:
    """A camera in an announcement. Sizes are in pixels, or None if the server does not know them."""

    id: str
    name: str | None
    model: str | None
    width: int | None
    height: int | None
    fps: float | None
    stream_url: URL
    snapshot_url: URL
    availability_topic: str
    state_topic: str
    snapshot_topic: str
    command_topic: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """A server's announcement over MQTT. All its URLs have the origin of `base_url`, but for `base_urls`.

    Those are where others may reach it, the best first. Older servers announce none.
    """

    id: str
    name: str
    model: str | None
    sw_version: str | None
    mac: str | None
    base_url: URL
    base_urls: tuple[URL, ...] | None
    auth: Literal["none", "token"] | None
    availability_topic: str
    cameras: tuple[AnnouncedCamera, ...]


@dataclass(frozen=True, slots=True)
class DiscoveredServer:
    """A server found by any discovery. None of this is to be trusted before a person has confirmed it.

    `urls` are its addresses, at least one, the best first. Not each of them can be reached from everywhere.
    """

    id: str
    name: str
    urls: tuple[URL, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraTelemetry:
    """The changing values of a camera, as in its state topic."""

    state: str | None
    reason: str | None
    since: datetime | None
    fps: float | None
    viewers: int | None
    drops: int | None
    restarts: int | None
    last_error: str | None
    enabled: bool | None
    """Whether the privacy switch lets it give pictures. None if the server has no such switch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerTelemetry:
    """The changing values of a server, as in its state topic.

    The temperature is in degrees Celsius. `throttled` names the reasons why the Pi runs slower now, or is None if the
    server does not know.
    """

    started_at: datetime | None
    viewers: int | None
    temperature: float | None
    throttled: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A setting of a camera, under the name that its driver gives it. A menu has `options`, a number has a range."""

    name: str
    type: Literal["boolean", "integer", "number", "menu"]
    minimum: float | None
    maximum: float | None
    step: float | None
    value: ControlValue
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What the server keeps of a camera. It is fetched by its id and a signature.

    Its camera and time are those in the id, which is signed. Anybody on the broker can name it, but cannot give it
    another time or camera.
    """

    id: str

    @property
    def camera(self) -> str:
        """The id of the camera."""
        return self.id.rsplit("-", 2)[0]

    @property
    def time(self) -> datetime | None:
        """When the picture was taken, or the clip was asked for. None if the server's clock was not set."""
        return time_in_snapshot_id(self.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot(Kept):
    """A picture that the server keeps, of the size and length that it named."""

    signature: str
    width: int | None = field(compare=False)
    height: int | None = field(compare=False)
    bytes: int | None = field(compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip(Kept):
    """A clip that the server keeps. It has a signature for each way in which it can be fetched.

    `before` and `after` are the seconds that it has before and after it was asked for, and `duration` is their sum.
    """

    replay_signature: str
    download_signature: str
    thumbnail_signature: str
    duration: float
    before: float
    after: float
    frames: int
    bytes: int
    width: int | None
    height: int | None
    trigger: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """The motion detection of a camera. `motion` is whether something moves, `sensitivity` is from 1 to 100.

    `error` says why nothing can be detected, or is None.
    """

    enabled: bool
    motion: bool
    sensitivity: int
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """A camera as the server describes it. If `available`, it gives pictures as soon as somebody watches.

    `snapshot` and `clip` are the last that the server keeps of it, or None if it keeps none. `motion` is None if the
    server cannot detect motion.
    """

    id: str
    name: str
    source: str | None
    model: str | None
    width: int | None
    height: int | None
    fps: float | None
    available: bool
    snapshot: Snapshot | None
    clip: Clip | None
    motion: Motion | None
    controls: Mapping[str, Control]
    telemetry: CameraTelemetry


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The server, and its cameras by id. `problems` are codes of what its owner has to mend."""

    id: str
    name: str
    model: str | None
    version: str | None
    mac: str | None
    auth: Literal["none", "token"] | None
    telemetry: ServerTelemetry
    cameras: Mapping[str, Camera]
    problems: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerMessage:
    """Why a server refused a request: a code for programs and a sentence for people."""

    code: str
    message: str
