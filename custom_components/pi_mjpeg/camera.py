"""The camera entity: live pictures, stills, snapshots, and a stream source for recordings."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, override

from aiohttp import web
from homeassistant.components.camera import Camera
from homeassistant.components.camera.const import CameraEntityFeature
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant, ServiceResponse, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import ExtraStoredData, RestoreEntity
from homeassistant.helpers.template import Template
from homeassistant.util.hass_dict import HassKey
from yarl import URL

from .actions import picture_files, take_snapshot
from .const import CONF_FPS, DOMAIN
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_for_cameras
from .streaming import placard, viewer
from .streaming.hub import Hub

PARALLEL_UPDATES = 0

_DRAWING_SLOTS: HassKey[asyncio.Semaphore] = HassKey(f"{DOMAIN}_drawing_slots")

MAX_THUMBNAIL_AGE: Final = 2.0
"""Seconds that a picture of a given size may be old. Dashboards ask for those, and often."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a camera entity for each of the server's cameras."""
    async_add_for_cameras(entry, async_add_entities, PiMjpegCamera)


@dataclass(frozen=True)
class Privacy(ExtraStoredData):
    """Whether the camera is turned on, kept across restarts of Home Assistant."""

    is_on: bool

    @override
    def as_dict(self) -> dict[str, Any]:
        return {"is_on": self.is_on}


class PiMjpegCamera(PiMjpegCameraEntity, Camera, RestoreEntity):
    """A camera of a pi-mjpeg server.

    The STREAM feature is not set: with it, dashboards would ask for HLS or WebRTC, neither of which carries MJPEG.
    Recording works without it, as it only needs `stream_source`.

    While it is turned off, it gives nobody in Home Assistant a picture, and asks the server for none.
    """

    _attr_name = None
    _attr_supported_features = CameraEntityFeature.ON_OFF

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, "camera")
        Camera.__init__(self)
        fps = coordinator.config_entry.options.get(CONF_FPS)
        slots = coordinator.hass.data.setdefault(_DRAWING_SLOTS, asyncio.Semaphore(placard.MAX_DRAWINGS))
        placards = placard.PlacardDrawer(self._camera_name, slots, coordinator.hass.async_add_executor_job)
        self.hub = Hub(
            self._camera_name,
            lambda: coordinator.client.stream(camera_id, fps=fps),
            self._create_background_task,
            placards.draw,
            self._on_gap_end,
        )
        self._was_available = self.available
        self._update_attributes()

    def _create_background_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.coordinator.config_entry.async_create_background_task(self.hass, coroutine, name)

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
        is_back = self.available and not self._was_available
        self._was_available = self.available
        if self.available:
            self.hub.retry_now()
            # A browser takes the old URL for a broken picture, so the next one has to be another. Home Assistant keeps
            # two tokens: only one change per update leaves that of the other dashboards valid.
            if self.hub.recall_dashboards() or is_back:
                self.async_update_token()
        super()._handle_coordinator_update()

    @callback
    def _on_gap_end(self) -> None:
        if self.available and self.hub.recall_dashboards():
            self.async_update_token()
            self.async_write_ha_state()

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
        self.hub.disconnect()

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
        """Return a URL for programs that take nothing else, such as the recorder of Home Assistant.

        They know nothing of the certificate that a person accepted, and the recorder verifies none at all. Instead of
        an https URL of the server they get one of Home Assistant itself, or None if that speaks only TLS, as the name
        in its certificate is not known here.
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
        """Return a JPEG. Raises `HomeAssistantError`.

        Without a size it is captured after the call: an automation wants to save what happens now.
        """
        self._raise_if_off()
        client = self.coordinator.client
        with self.asking_for("picture_failed"):
            if width is None and height is None:
                return await client.snapshot(self._camera_id)
            latest = self.hub.latest
            if latest is not None and not latest.drawn and time.monotonic() - latest.received <= MAX_THUMBNAIL_AGE:
                return latest.jpeg
            milliseconds = int(MAX_THUMBNAIL_AGE * 1000)
            return await client.snapshot(self._camera_id, width=width, height=height, max_age=milliseconds)

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
        sized = width is not None or height is not None
        take_snapshot.raise_for_conflict(keep=keep, to_file=filename is not None, sized=sized)
        path = None
        if filename is not None:
            path = str(filename.async_render(variables={ATTR_ENTITY_ID: self}, parse_result=False))
            await picture_files.async_check_allowed(self.hass, path)
        client, camera_id = self.coordinator.client, self._camera_id
        with self.asking_for("snapshot_failed"):
            if path is None or keep:
                on_kept = partial(self.coordinator.snapshot_taken, camera_id)
                return await take_snapshot.async_keep(self.hass, client, camera_id, path, on_kept)
            return await take_snapshot.async_save(self.hass, client, camera_id, path, width, height)

    @override
    async def handle_async_mjpeg_stream(self, request: web.Request) -> web.StreamResponse:
        return await viewer.serve(request, self.hub)
