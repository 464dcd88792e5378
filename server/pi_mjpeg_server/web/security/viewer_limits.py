"""How many viewers may watch at the same time: in all, per camera and per client."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

from aiohttp import web

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.errors import too_many_viewers
from pi_mjpeg_server.web.security.ip_addresses import client_network


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """The limits of [server]. `client_network` says what a client is. `replays` are those who watch a kept clip."""

    max_viewers: int
    max_per_camera: int
    max_per_client: int
    replays: set[ViewerStats] = field(default_factory=set)

    @classmethod
    def from_settings(cls, settings: ServerSettings) -> Self:
        """Return the limits that the settings ask for."""
        return cls(settings.max_viewers, settings.max_viewers_per_camera, settings.max_viewers_per_address)

    @contextlib.contextmanager
    def admit(self, server: Server, camera: Camera, viewer: ViewerStats) -> Iterator[None]:
        """Count a viewer of this camera while the context lasts. Raises 503 when a limit is reached.

        Nothing suspends between the check and the count, so no two viewers can get the last slot.
        """
        self._check(server, camera, viewer)
        with camera.viewing(viewer):
            yield

    @contextlib.contextmanager
    def admit_replay(self, server: Server, viewer: ViewerStats) -> Iterator[None]:
        """Count a viewer of a kept clip, which needs no camera, while the context lasts. Raises 503 likewise."""
        self._check(server, None, viewer)
        self.replays.add(viewer)
        try:
            yield
        finally:
            self.replays.discard(viewer)

    def _check(self, server: Server, camera: Camera | None, viewer: ViewerStats) -> None:
        if server.viewers + len(self.replays) >= self.max_viewers:
            raise too_many_viewers(f"{self.max_viewers} viewers watch already; max_viewers in [server] is the limit")
        if camera is not None and len(camera.viewers) >= self.max_per_camera:
            raise too_many_viewers(
                f"{self.max_per_camera} viewers watch this camera already; "
                "max_viewers_per_camera in [server] is the limit"
            )
        client = client_network(viewer.address)
        viewers = chain(self.replays, *(each.viewers for each in server.cameras))
        if sum(client_network(viewer.address) == client for viewer in viewers) >= self.max_per_client:
            raise too_many_viewers(
                f"{self.max_per_client} viewers of this address watch already; "
                "max_viewers_per_address in [server] is the limit"
            )


VIEWER_LIMITS = web.AppKey("viewer_limits", ViewerLimits)
