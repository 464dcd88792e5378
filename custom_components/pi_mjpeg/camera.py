"""The camera entity: live pictures, stills, snapshots, and a stream source for recordings."""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any, Final, override

from aiohttp import web
from homeassistant.components.camera import Camera, async_get_still_stream
from homeassistant.components.camera.const import CameraEntityFeature
from homeassistant.components.stream import CONF_USE_WALLCLOCK_AS_TIMESTAMPS, Stream
from homeassistant.core import HassJob, HomeAssistant, ServiceResponse, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util.hass_dict import HassKey

from . import pictures
from .actions import record_clip, take_snapshot
from .api.frame import Frame
from .const import CAMERA_KEY, CONF_FPS, DOMAIN, SMALL_CAMERA_KEY
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_for_cameras
from .streaming import placard, recording, stream_response
from .streaming.hub import Hub
from .streaming.relay import Relay

PARALLEL_UPDATES = 0

_PICTURE_SLOTS: HassKey[asyncio.Semaphore] = HassKey(f"{DOMAIN}_picture_slots")

MAX_THUMBNAIL_AGE: Final = 2.0
"""Seconds that a picture of a given size may be old. Dashboards ask for those, and often."""

SMALL_WIDTH: Final = 640
SMALL_FPS: Final = 8
"""Of the small pictures: about 2 Mbit/s, for a phone on mobile data."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add two camera entities for each of the server's cameras."""
    async_add_for_cameras(entry, async_add_entities, PiMjpegCamera, partial(PiMjpegCamera, small=True))


class PiMjpegCamera(PiMjpegCameraEntity, Camera):
    """A camera of a pi-mjpeg server.

    The second, *small* entity of a camera shows smaller and fewer pictures, and is the same in everything else.

    The STREAM feature is not set: with it, dashboards would ask for HLS or WebRTC, neither of which carries MJPEG.
    Recording works without it, as it only needs `stream_source`.

    While it is off, viewers see a drawn picture that says so, and everything else that wants a picture gets an error.
    For Home Assistant it stays on (`is_on`): otherwise that would answer dashboards with an error, which browsers show
    as a broken picture, or as the last one that they got.
    """

    _attr_supported_features = CameraEntityFeature.ON_OFF

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, *, small: bool = False) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, SMALL_CAMERA_KEY if small else CAMERA_KEY)
        fps = coordinator.config_entry.options.get(CONF_FPS)
        self._max_width = SMALL_WIDTH if small else None
        if small:
            fps = min(fps or SMALL_FPS, SMALL_FPS)
            self._attr_translation_key = "small"
            self._attr_entity_registry_enabled_default = False
        else:
            self._attr_name = None
        slots = coordinator.hass.data.setdefault(_PICTURE_SLOTS, asyncio.Semaphore(pictures.MAX_THREADS))
        self._threads = pictures.PictureThreads(slots, coordinator.hass.async_add_executor_job)
        self._placards = placard.PlacardDrawer(self.camera_name, self._threads)
        self.hub = Hub(
            self.camera_name,
            partial(self._open_stream, fps),
            self._create_background_task,
            self._placards.draw_stalled,
            self._on_stall_end,
        )
        self._relay = Relay(self.hub)
        Camera.__init__(self)
        self.stream_options[CONF_USE_WALLCLOCK_AS_TIMESTAMPS] = True
        self._was_available = self.available
        self._update_attributes()

    def _create_background_task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.coordinator.config_entry.async_create_background_task(self.hass, coroutine, name)

    async def _open_stream(self, fps: float | None) -> AsyncGenerator[Frame]:
        await self.coordinator.privacy.async_tell()
        client, width = self.coordinator.client, self._max_width
        async with aclosing(client.stream(self._camera_id, fps=fps, width=width)) as frames:
            async for frame in frames:
                yield frame

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        # Home Assistant waits for every response before it stops.
        self.async_on_remove(self.hass.async_add_shutdown_job(HassJob(self._async_close, "close pi_mjpeg streams")))
        self._follow_privacy()

    @override
    async def async_will_remove_from_hass(self) -> None:
        await self._async_close()
        await super().async_will_remove_from_hass()

    async def _async_close(self) -> None:
        if self.stream is not None:
            await recording.async_stop(self.stream)
        await self.hub.close()
        await self._relay.close()

    @callback
    @override
    def async_update_token(self) -> None:
        super().async_update_token()
        self.hub.dashboard_recall.url_changed(self.access_tokens[-1])

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        self._follow_privacy()
        self._update_attributes()
        self._placards.name = self.camera_name
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
    def _on_stall_end(self) -> None:
        if self.hub.dashboard_recall.is_needed:
            # The URL changes with the next update. If it says that the server was away, that is a reason for one too,
            # and a single change is enough.
            self.coordinator.refresh_soon()

    @property
    @override
    def available(self) -> bool:
        """Also while it is off, so that it can be turned on and says why there is no picture.

        A Pi that has just been told to turn it on, and whose last word is that it is off, is no failure.
        """
        camera = self.camera_state
        is_off_at_pi = camera is not None and camera.telemetry.enabled is False and self.coordinator.last_update_success
        return self.is_off or is_off_at_pi or super().available

    def _update_attributes(self) -> None:
        camera = self.camera_state
        self._attr_model = camera.model if camera else None
        telemetry = camera.telemetry if camera else None
        # Motion detection keeps a camera live that nobody watches.
        is_watched = telemetry is not None and telemetry.state == "live" and (telemetry.viewers or 0) > 0
        self._attr_is_streaming = is_watched and not self.is_off
        self._attr_motion_detection_enabled = camera is not None and camera.motion is not None and camera.motion.enabled

    @override
    async def async_enable_motion_detection(self) -> None:
        await self.async_set_motion(enabled=True)

    @override
    async def async_disable_motion_detection(self) -> None:
        await self.async_set_motion(enabled=False)

    @override
    async def async_turn_on(self) -> None:
        await self.async_turn(on=True)

    @override
    async def async_turn_off(self) -> None:
        await self.async_turn(on=False)

    @callback
    def _follow_privacy(self) -> None:
        """Show the drawn picture to all viewers and end what Home Assistant streams, or show the live picture again."""
        if self.is_off is self.hub.paused:
            return
        if not self.is_off:
            self.hub.resume()
            return
        self.hub.pause()
        self._create_background_task(self._show_off(), f"pi_mjpeg off picture of {self.camera_name}")
        stream, self.stream = self.stream, None
        if stream is not None:
            self._create_background_task(
                recording.async_stop(stream), f"pi_mjpeg end of the stream of {self.camera_name}"
            )

    async def _show_off(self) -> None:
        self.hub.show(await self._draw_off())

    async def _draw_off(self) -> bytes:
        camera = self.camera_state
        size = (camera.width, camera.height) if camera and camera.width and camera.height else None
        return await self._placards.draw_off(size, self._max_width)

    @override
    async def async_create_stream(self) -> Stream | None:
        """Return a stream that records and does nothing else."""
        self.raise_if_off()
        stream = await super().async_create_stream()
        if stream is not None:
            recording.only_records(stream, self.camera_name)
            if self.is_off:
                # It was turned off in the meantime.
                self.stream = None
                await recording.async_stop(stream)
        self.raise_if_off()
        return stream

    @override
    async def stream_source(self) -> str | None:
        """Return a URL on this machine for programs that take nothing else, such as the recorder of Home Assistant.

        It is not that of the Pi: it has no token of the Pi that a program could log, it is valid until the entry is
        unloaded, and whoever opens it shares the connection to the Pi and sees no picture of a camera that is off.
        """
        self.raise_if_off()
        return str(await self._relay.url())

    @override
    async def async_camera_image(self, width: int | None = None, height: int | None = None) -> bytes:
        """Return a JPEG. Raises `HomeAssistantError`.

        Without a size it is captured after the call: an automation wants to save what happens now. With one it is for
        somebody who looks at it: while the camera is off, it is a picture that says so.
        """
        if width is None and height is None:
            self.raise_if_off()
            await self.coordinator.privacy.async_tell()
            with self.asking_for("picture_failed"):
                picture = await self.coordinator.client.snapshot(self._camera_id, width=self._max_width)
            self.raise_if_off()
            return picture
        if not self.is_off:
            widths = [each for each in (pictures.side(width), self._max_width) if each is not None]
            picture = await self._thumbnail(min(widths, default=None), pictures.side(height))
        return await self._draw_off() if self.is_off else picture

    async def _thumbnail(self, width: int | None, height: int | None) -> bytes:
        with self.asking_for("picture_failed"):
            latest = self._latest()
            if latest is not None:
                return await self._threads.upright(latest, width, height)
            await self.coordinator.privacy.async_tell()
            picture = await self.coordinator.client.snapshot(
                self._camera_id, width=width, height=height, max_age=int(MAX_THUMBNAIL_AGE * 1000)
            )
            return await self._threads.upright(picture, width, height)

    def _latest(self) -> bytes | None:
        """Return a picture that viewers just got, unless the Pi has to turn or scale it."""
        latest = self.hub.latest
        if latest is None or latest.drawn or time.monotonic() - latest.received > MAX_THUMBNAIL_AGE:
            return None
        is_too_wide = self._max_width is not None and not pictures.is_within(latest.jpeg, self._max_width)
        takes_too_long = not pictures.is_upright(latest.jpeg) and pictures.is_expensive(latest.jpeg)
        return None if is_too_wide or takes_too_long else latest.jpeg

    async def async_take_snapshot(
        self, *, keep: bool, path: str | None, link: bool, full: bool, width: int | None, height: int | None
    ) -> ServiceResponse:
        """Take a picture now, have the server keep it, write it to a file, link to it; return where it is.

        That of the small entity is as large as that of the other one.
        """
        self.raise_if_off()
        await self.coordinator.privacy.async_tell()
        client, camera_id = self.coordinator.client, self._camera_id
        with self.asking_for("snapshot_failed"):
            if keep:
                on_kept = partial(self.coordinator.snapshot_taken, camera_id)
                return await take_snapshot.async_keep(
                    self.hass, client, camera_id, path, on_kept, self.raise_if_off, link=link, full=full
                )
            return await take_snapshot.async_save(
                self.hass, client, camera_id, path, (width, height), self.raise_if_off, link=link, full=full
            )

    async def async_record_clip(self, *, before: float, after: float, path: str | None, link: bool) -> ServiceResponse:
        """Have the server record a clip and keep it, write it to a file, link to its film; return where it is."""
        self.raise_if_off()
        await self.coordinator.privacy.async_tell()
        client, node = self.coordinator.client, self.coordinator.data.id
        with self.asking_for("clip_failed"):
            clip = await client.kept.record_clip(self._camera_id, before=before, after=after)
            self.raise_if_off()
            self.coordinator.clip_told(self._camera_id, clip)
            if path is not None:
                await record_clip.async_save(self.hass, client, node, clip, path)
            linked = await record_clip.async_link(self.hass, client, node, clip) if link else None
        return record_clip.response(self.coordinator.config_entry.entry_id, client, clip, path, linked)

    @override
    async def handle_async_still_stream(self, request: web.Request, interval: float) -> web.StreamResponse:
        return await async_get_still_stream(request, self._still_to_look_at, self.content_type, interval)

    async def _still_to_look_at(self) -> bytes:
        try:
            return await self.async_camera_image()
        except HomeAssistantError:
            if not self.is_off:
                raise
        return await self._draw_off()

    @override
    async def handle_async_mjpeg_stream(self, request: web.Request) -> web.StreamResponse:
        return await stream_response.serve(request, self.hub)
