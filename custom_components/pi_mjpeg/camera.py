"""The camera: live pictures, stills, snapshots, and a source for recordings."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, override

from aiohttp import web
from homeassistant.components.camera import Camera
from homeassistant.components.camera.const import CameraEntityFeature
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant, ServiceResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import ExtraStoredData, RestoreEntity
from homeassistant.helpers.template import Template
from homeassistant.util import dt as dt_util
from yarl import URL

from .actions import picture_files
from .const import CONF_FPS, DOMAIN
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_as_found
from .streaming import placard, viewer
from .streaming.hub import Hub

PARALLEL_UPDATES = 0

THUMBNAIL_AGE: Final = 2.0
"""Seconds by which a picture of a given size may be old: those are for dashboards, which ask often."""

CALLS: Final = 6
"""How often dashboards are called back that lost their view; then their pages were closed."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a camera entity for each of the server's cameras."""
    coordinator = entry.runtime_data
    async_add_as_found(
        entry, async_add_entities, lambda server: server.cameras, lambda camera: [PiMjpegCamera(coordinator, camera)]
    )


@dataclass(frozen=True)
class Privacy(ExtraStoredData):
    """Whether the camera was turned on, which has to outlive a restart."""

    is_on: bool

    @override
    def as_dict(self) -> dict[str, Any]:
        return {"is_on": self.is_on}


class PiMjpegCamera(PiMjpegCameraEntity, Camera, RestoreEntity):
    """A camera of a pi-mjpeg server.

    The STREAM feature is not set: with it, dashboards would ask for HLS or WebRTC, neither of which carries MJPEG.
    Recording works all the same, as it only needs `stream_source`.

    Turned off, it gives nobody in Home Assistant a picture, and asks the server for none.
    """

    _attr_name = None
    _attr_supported_features = CameraEntityFeature.ON_OFF

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, "camera")
        Camera.__init__(self)
        fps = coordinator.config_entry.options.get(CONF_FPS)
        self.hub = Hub(
            self._camera_name,
            lambda: coordinator.client.stream(camera_id, fps=fps),
            self._create_background_task,
            self._draw_gap,
            self._call_back,
        )
        self._was_available = self.available
        self._calls = 0
        self._update_attributes()

    def _create_background_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.coordinator.config_entry.async_create_background_task(self.hass, coroutine, name)

    async def _draw_gap(self, last: bytes | None) -> bytes:
        return await self.hass.async_add_executor_job(placard.draw, self._camera_name, last)

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if (stored := await self.async_get_last_extra_data()) is not None:
            self._attr_is_on = stored.as_dict().get("is_on") is not False

    @property
    @override
    def extra_restore_state_data(self) -> Privacy:
        return Privacy(self._attr_is_on)

    @override
    async def async_will_remove_from_hass(self) -> None:
        await self.hub.close()
        await super().async_will_remove_from_hass()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        self._update_attributes()
        if self.available:
            self.hub.retry_now()
            if not self._was_available:
                # A browser has the old URL for a broken picture, so the next one has to be another.
                self.async_update_token()
            self._call_back()
        self._was_available = self.available
        super()._handle_coordinator_update()

    @callback
    def _call_back(self) -> None:
        """Give the dashboards that lost their view in a gap a new URL, until they are back."""
        hub = self.hub
        if not hub.awaited or hub.in_gap or not self.available:
            self._calls = 0
            return
        self._calls += 1
        if self._calls > CALLS:
            hub.awaited = 0
            return
        self.async_update_token()
        self.async_write_ha_state()
        # A browser keeps an old response until the new one paints, and has six connections for all of them.
        hub.dismiss(browsers_only=True)

    def _update_attributes(self) -> None:
        camera = self.camera_state
        self._attr_model = camera.model if camera else None
        self._attr_is_streaming = self._attr_is_on and camera is not None and camera.telemetry.state == "live"

    @override
    async def async_turn_on(self) -> None:
        self._turn(on=True)

    @override
    async def async_turn_off(self) -> None:
        self._turn(on=False)
        self.hub.pause()

    @callback
    def _turn(self, *, on: bool) -> None:
        if on and not self._attr_is_on:
            self.async_update_token()
        self._attr_is_on = on
        self._update_attributes()
        self.async_write_ha_state()

    def _raise_if_off(self) -> None:
        if not self._attr_is_on:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="camera_is_off",
                translation_placeholders={"camera": self._camera_name},
            )

    @override
    async def stream_source(self) -> str | None:
        """Return an address for programs that take only a URL, such as the recorder of Home Assistant.

        They know nothing of the certificate that was accepted, and the recorder verifies none at all: what comes over
        TLS, they get from Home Assistant itself. None if that speaks only TLS, for which it has a name we do not know.
        """
        self._raise_if_off()
        url = self.coordinator.client.stream_source(self._camera_id)
        if url.scheme == "http":
            return str(url)
        api = self.hass.config.api
        if api is None or api.use_ssl:
            return None
        own = URL.build(scheme="http", host="127.0.0.1", port=api.port, path="/api/camera_proxy_stream")
        return str((own / self.entity_id).with_query(token=self.access_tokens[-1]))

    @override
    async def async_camera_image(self, width: int | None = None, height: int | None = None) -> bytes:
        """Return a JPEG, or raise `HomeAssistantError`.

        Without a size it is captured after the call, as an automation expects that saves what happens now.
        """
        self._raise_if_off()
        client = self.coordinator.client
        with self.asking_for("picture_failed"):
            if width is None and height is None:
                return await client.snapshot(self._camera_id)
            latest = self.hub.latest
            if latest is not None and not latest.drawn and time.monotonic() - latest.received <= THUMBNAIL_AGE:
                return latest.jpeg
            return await client.snapshot(self._camera_id, width=width, height=height, max_age=int(THUMBNAIL_AGE * 1000))

    async def async_take_snapshot(
        self,
        *,
        keep: bool,
        filename: Template | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> ServiceResponse:
        """Take a picture now, have the server keep it, write it to a file, or both; return where it is."""
        self._raise_if_off()
        if keep and (width is not None or height is not None):
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="kept_has_full_size")
        if not keep and filename is None:
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="nowhere_to_put")
        path = None
        if filename is not None:
            path = str(filename.async_render(variables={ATTR_ENTITY_ID: self}, parse_result=False))
            await picture_files.async_check_allowed(self.hass, path)
        result = await (self._keep(path) if keep else self._save(str(path), width, height))
        return {"path": path, **result}

    async def _keep(self, path: str | None) -> dict[str, Any]:
        client = self.coordinator.client
        with self.asking_for("snapshot_failed"):
            snapshot = await client.take_snapshot(self._camera_id)
            picture = None if path is None else await client.kept_snapshot(snapshot)
        self.coordinator.snapshot_taken(self._camera_id, snapshot)
        if path is not None and picture is not None:
            await picture_files.async_write(self.hass, path, picture)
        size = (snapshot.width, snapshot.height)
        return _described(str(snapshot.url), snapshot.time, size, snapshot.bytes)

    async def _save(self, path: str, width: int | None, height: int | None) -> dict[str, Any]:
        with self.asking_for("snapshot_failed"):
            picture = await self.coordinator.client.snapshot(self._camera_id, width=width, height=height)
        taken = dt_util.utcnow()
        size = await self.hass.async_add_executor_job(placard.size_of, picture)
        await picture_files.async_write(self.hass, path, picture)
        return _described(None, taken, size or (None, None), len(picture))

    @override
    async def handle_async_mjpeg_stream(self, request: web.Request) -> web.StreamResponse:
        return await viewer.serve(request, self.hub)


def _described(url: str | None, taken: datetime, size: tuple[int | None, int | None], count: int) -> dict[str, Any]:
    return {"url": url, "time": taken.isoformat(), "width": size[0], "height": size[1], "bytes": count}
