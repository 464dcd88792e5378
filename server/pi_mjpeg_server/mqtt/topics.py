"""The MQTT topics of one server."""

from collections.abc import Collection
from dataclasses import dataclass

ONLINE, OFFLINE = "online", "offline"
"""The payloads of all availability topics, and of Home Assistant's birth message and last will."""

_BASE = "pi_mjpeg"
_RETAINED_KINDS = ("availability", "state", "snapshot", "clip", "motion")
"""The topics of a camera with a retained message."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of the server `node`; `prefix` is Home Assistant's discovery prefix."""

    node: str
    prefix: str = "homeassistant"

    @property
    def announcement(self) -> str:
        """The announcement, by which the component discovers the server."""
        return f"{_BASE}/discovery/{self.node}/config"

    @property
    def core_discovery(self) -> str:
        """The discovery document for Home Assistant's own MQTT integration."""
        return f"{self.prefix}/device/{_BASE}_{self.node}/config"

    @property
    def birth(self) -> str:
        """Home Assistant's birth message and last will."""
        return f"{self.prefix}/status"

    @property
    def availability(self) -> str:
        """`online` or `offline`: the server itself; also the topic of its last will."""
        return f"{_BASE}/{self.node}/availability"

    @property
    def state(self) -> str:
        """The server's telemetry."""
        return f"{_BASE}/{self.node}/state"

    @property
    def claimed(self) -> str:
        """The component's claim that it manages this server."""
        return f"{_BASE}/{self.node}/claimed"

    def camera(self, camera_id: str, kind: str) -> str:
        """Return a camera's topic; `kind` is that of a retained message, `command` or `result`."""
        return f"{_BASE}/{self.node}/{camera_id}/{kind}"

    def retained(self, camera_ids: Collection[str], discovery: str) -> set[str]:
        """Return the topics with a retained message, without core discovery: its message is cleared while claimed."""
        topics = {self.camera(each, kind) for each in camera_ids for kind in _RETAINED_KINDS}
        return topics | {self.availability, self.state} | ({self.announcement} if discovery != "core" else set())

    @property
    def own_filters(self) -> tuple[str, ...]:
        """The topic filters that match every topic with a retained message of this server."""
        cameras = (self.camera("+", kind) for kind in _RETAINED_KINDS)
        return (self.availability, self.state, self.announcement, self.core_discovery, *cameras)

    @property
    def commands(self) -> str:
        """The topic filter that matches the command topics of all cameras."""
        return self.camera("+", "command")

    def commanded_camera(self, topic: str) -> str | None:
        """Return the camera id in a command topic, or None if `topic` is not a command topic."""
        begin, end = f"{_BASE}/{self.node}/", "/command"
        if not topic.startswith(begin) or not topic.endswith(end):
            return None
        return topic[len(begin) : -len(end)]
