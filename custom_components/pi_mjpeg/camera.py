"""The camera: live pictures, stills, and a source for recordings."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, override

from aiohttp import web
from homeassistant.components.camera import Camera
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import viewer
from .const import CONF_FPS
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_for_each_camera
from .hub import Hub

PARALLEL_UPDATES = 0

THUMBNAIL_AGE: Final = 2.0
"""Seconds by which a picture of a given size may be old: those are for dashboards, which ask often."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a camera entity for each of the server's cameras."""
    async_add_for_each_camera(entry, async_add_entities, lambda *args: [PiMjpegCamera(*args)])


class PiMjpegCamera(PiMjpegCameraEntity, Camera):
    """A camera of a pi-mjpeg server.

    The STREAM feature is not set: with it, dashboards would ask for HLS or WebRTC, neither of which carries MJPEG.
    Recording works all the same, as it only needs `stream_source`.
    """

    _attr_name = None

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, "camera")
        Camera.__init__(self)
        fps = coordinator.config_entry.options.get(CONF_FPS)
        self._hub = Hub(
            self._camera_name,
            lambda: coordinator.client.stream(camera_id, fps=fps),
            self._create_background_task,
        )
        self._update_attributes()

    def _create_background_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.coordinator.config_entry.async_create_background_task(self.hass, coroutine, name)

    @override
    async def async_will_remove_from_hass(self) -> None:
        await self._hub.close()
        await super().async_will_remove_from_hass()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        self._update_attributes()
        if self.available:
            self._hub.retry_now()
        super()._handle_coordinator_update()

    def _update_attributes(self) -> None:
        camera = self.camera_state
        self._attr_model = camera.model if camera else None
        self._attr_is_streaming = camera is not None and camera.telemetry.state == "live"

    @override
    async def stream_source(self) -> str:
        return str(self.coordinator.client.stream_source(self._camera_id))

    @override
    async def async_camera_image(self, width: int | None = None, height: int | None = None) -> bytes:
        """Return a JPEG, or raise `HomeAssistantError`.

        Without a size it is captured after the call, as an automation expects that saves what happens now.
        """
        client = self.coordinator.client
        with self.asking_for("picture_failed"):
            if width is None and height is None:
                return await client.snapshot(self._camera_id)
            latest = self._hub.latest
            if latest is not None and time.monotonic() - latest.received <= THUMBNAIL_AGE:
                return latest.jpeg
            return await client.snapshot(self._camera_id, width=width, height=height, max_age=int(THUMBNAIL_AGE * 1000))

    @override
    async def handle_async_mjpeg_stream(self, request: web.Request) -> web.StreamResponse:
        return await viewer.serve(request, self._hub)
