"""How many may watch at once: in all, per camera and per address."""

from dataclasses import dataclass

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.errors import too_many_viewers
from pi_mjpeg_server.web.security.client_ip import network

_ROOM_FOR_REQUESTS = 128
_ROOM_PER_ADDRESS = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on. An address is one IPv4 address or one IPv6 /64."""

    viewers: int = 64
    per_camera: int = 32
    per_address: int = 24

    @property
    def connections(self) -> int:
        """How many connections are open at most: the viewers', and those of short requests."""
        return self.viewers + _ROOM_FOR_REQUESTS

    @property
    def connections_per_address(self) -> int:
        """How many of them one address may have."""
        return self.per_address + _ROOM_PER_ADDRESS

    def admit(self, server: Server, camera: Camera, address: str) -> None:
        """Let one more viewer in. Raises 503 with what is full."""
        if server.viewers >= self.viewers:
            raise too_many_viewers(f"{self.viewers} viewers watch already; max_viewers in [server] is the limit")
        if len(camera.viewers) >= self.per_camera:
            raise too_many_viewers(
                f"{self.per_camera} viewers watch this camera already; max_viewers_per_camera in [server] is the limit"
            )
        here = network(address)
        watching = (viewer for each in server.cameras for viewer in each.viewers)
        if sum(network(viewer.address) == here for viewer in watching) >= self.per_address:
            raise too_many_viewers(
                f"{self.per_address} viewers of this address watch already; "
                "max_viewers_per_address in [server] is the limit"
            )
