"""Where each document goes."""

from collections.abc import Collection
from dataclasses import dataclass

_BASE = "pi_mjpeg"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one server; `prefix` is Home Assistant's discovery prefix."""

    node: str
    prefix: str = "homeassistant"

    @property
    def announcement(self) -> str:
        """What the component finds this server by."""
        return f"{_BASE}/discovery/{self.node}/config"

    @property
    def core_discovery(self) -> str:
        """What Home Assistant finds it by on its own."""
        return f"{self.prefix}/device/{_BASE}_{self.node}/config"

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.prefix}/status"

    @property
    def availability(self) -> str:
        """Whether the server is there; the last will."""
        return f"{_BASE}/{self.node}/availability"

    @property
    def state(self) -> str:
        """The server's telemetry."""
        return f"{_BASE}/{self.node}/state"

    @property
    def claimed(self) -> str:
        """Where the component says that this server is in its care."""
        return f"{_BASE}/{self.node}/claimed"

    def camera(self, camera_id: str, what: str) -> str:
        """Return a camera's topic: `availability`, `state`, `snapshot`, `command` or `result`."""
        return f"{_BASE}/{self.node}/{camera_id}/{what}"

    def kept(self, cameras: Collection[str], discovery: str) -> set[str]:
        """Return where the broker keeps something of us, but for the core discovery, which comes and goes."""
        kept = {self.camera(each, what) for each in cameras for what in ("availability", "state", "snapshot")}
        return kept | {self.availability, self.state} | ({self.announcement} if discovery != "core" else set())

    @property
    def commands(self) -> str:
        """The pattern of all cameras' command topics."""
        return self.camera("+", "command")

    def commanded(self, topic: str) -> str | None:
        """Return the id of the camera that a command topic is of, or `None` where it is none."""
        begin, end = f"{_BASE}/{self.node}/", "/command"
        if not topic.startswith(begin) or not topic.endswith(end):
            return None
        return topic[len(begin) : -len(end)]
