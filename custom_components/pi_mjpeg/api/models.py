"""What a server tells of itself, as values that were checked when they came in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from yarl import URL

type ControlValue = bool | float | str


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnouncedCamera:
    """A camera of an announcement. Sizes are in pixels, None when the server does not know them."""

    id: str
    name: str
    model: str | None
    width: int | None
    height: int | None
    fps: float
    stream_url: URL
    snapshot_url: URL
    availability_topic: str
    state_topic: str
    snapshot_topic: str
    command_topic: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """What a server says of itself over MQTT. All its URLs have the origin of `base_url`."""

    id: str
    name: str
    model: str
    sw_version: str
    mac: str | None
    base_url: URL
    auth: Literal["none", "token"]
    availability_topic: str
    cameras: tuple[AnnouncedCamera, ...]


@dataclass(frozen=True, slots=True)
class DiscoveredServer:
    """What any discovery says of a server: not to be believed before a person confirmed it."""

    id: str
    name: str
    url: URL


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraTelemetry:
    """What changes about a camera, as its state topic tells it."""

    state: str
    reason: str | None
    since: datetime
    fps: float
    viewers: int
    drops: int
    restarts: int
    last_error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerTelemetry:
    """What changes about a server, as its state topic tells it.

    The temperature is in degrees Celsius. `throttled` names why the Pi runs slower now, None when it does not tell.
    """

    started_at: datetime
    viewers: int
    temperature: float | None
    throttled: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """What can be adjusted on a camera, under its driver's own name. A menu has `options`, a number a range."""

    name: str
    type: Literal["boolean", "integer", "number", "menu"]
    minimum: float | None
    maximum: float | None
    step: float | None
    value: ControlValue
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """A camera as the server describes it; an `available` one gives pictures or would at once."""

    id: str
    name: str
    source: str
    model: str | None
    width: int | None
    height: int | None
    fps: float
    available: bool
    controls: Mapping[str, Control]
    telemetry: CameraTelemetry


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The server and its cameras, by their ids."""

    id: str
    name: str
    model: str
    version: str
    mac: str | None
    auth: Literal["none", "token"]
    telemetry: ServerTelemetry
    cameras: Mapping[str, Camera]


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A picture that the server keeps; `url` is signed and valid as long as it is kept."""

    id: str
    url: URL
    time: datetime
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerMessage:
    """Why a server refused a request: a code for programs, a sentence for people."""

    code: str
    message: str
