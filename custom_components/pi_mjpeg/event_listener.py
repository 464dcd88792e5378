"""Holds the server's events, which tell every change at once: with them it is polled only now and then."""

import asyncio
from contextlib import aclosing
from typing import Final

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback

from .api.documents import (
    DocumentError,
    parse_camera_state,
    parse_controls,
    parse_event_availability,
    parse_event_camera,
    parse_event_clip,
    parse_event_snapshot,
    parse_motion,
    parse_server_state,
)
from .api.errors import InvalidResponseError, PiMjpegError, RefusedError
from .api.rate_limit import RateLimit
from .api.server_sent_events import ServerSentEvent
from .const import LOGGER
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator

MIN_RETRY_DELAY: Final = 1.0
MAX_RETRY_DELAY: Final = 15.0
"""Seconds between two attempts. A Pi takes about 30 s to boot."""
REFUSED_RETRY_DELAY: Final = 600.0
"""The same for a server that does not have events, or tells something else."""

_REFRESH_INTERVAL: Final = 5.0


@callback
def async_start(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    """Listen to the server's events until the entry is unloaded, as soon as the server is one that has them."""
    coordinator = entry.runtime_data
    tasks: list[asyncio.Task[None]] = []

    @callback
    def start() -> None:
        # Events are as old as motion detection.
        if not tasks and any(camera.motion is not None for camera in coordinator.data.cameras.values()):
            # No background task of Home Assistant's: nobody is to wait for it, as it never ends by itself.
            tasks.append(
                hass.loop.create_task(EventListener(coordinator).async_run(), name=f"pi_mjpeg events of {entry.title}")
            )

    @callback
    def stop(_: Event | None = None) -> None:
        for task in tasks:
            task.cancel()

    entry.async_on_unload(coordinator.async_add_listener(start))
    entry.async_on_unload(stop)
    # Home Assistant does not unload entries when it stops.
    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, stop))
    start()


class EventListener:
    """Listens to the events of one server, again whenever they end, and passes them to its coordinator."""

    def __init__(self, coordinator: PiMjpegCoordinator) -> None:
        self._coordinator = coordinator
        self._delay = MIN_RETRY_DELAY
        self._refresh_limit = RateLimit(1, _REFRESH_INTERVAL)

    async def async_run(self) -> None:
        """Keep listening until cancelled."""
        while True:
            reason, is_refused = "the server ended them", False
            try:
                await self._listen()
            except PiMjpegError as error:
                reason, is_refused = str(error), _is_for_long(error)
            except Exception:  # noqa: BLE001 - a fault of ours must not end it for good
                LOGGER.exception("The events of %s could not be passed on", self._coordinator.name)
            if self._coordinator.has_events:
                self._coordinator.events_ended()
            delay = REFUSED_RETRY_DELAY if is_refused else self._delay
            LOGGER.debug("The events of %s ended, next attempt in %.0f s: %s", self._coordinator.name, delay, reason)
            await asyncio.sleep(delay)
            self._delay = min(self._delay * 2, MAX_RETRY_DELAY)

    async def _listen(self) -> None:
        async with aclosing(self._coordinator.client.events()) as events:
            async for event in events:
                if not self._coordinator.has_events and event.kind:
                    # Only an event proves that they work. A server that accepts the connection and then fails is not
                    # asked more often.
                    self._delay = MIN_RETRY_DELAY
                    self._coordinator.events_began()
                self._received(event)

    def _received(self, event: ServerSentEvent) -> None:
        if not self._coordinator.last_update_success and self._refresh_limit.allows():
            # It was away. Whether it is the same server again says only its whole state.
            self._coordinator.refresh_soon()
        try:
            self._pass_on(event)
        except DocumentError as error:
            LOGGER.debug("Ignored an event of %s: %s", self._coordinator.name, error)

    def _pass_on(self, event: ServerSentEvent) -> None:
        """Tell the coordinator. Kinds that are not known are left to later versions. Raises `DocumentError`."""
        coordinator, data = self._coordinator, event.data
        if event.kind not in {"availability", "clip", "controls", "motion", "snapshot", "state"}:
            return
        camera_id = parse_event_camera(data)
        if camera_id is None:
            if event.kind == "state":
                telemetry = parse_server_state(data)
                coordinator.server_changed(telemetry)
                coordinator.check_twins(telemetry)
            return
        match event.kind:
            case "motion":
                coordinator.motion_changed(camera_id, parse_motion(data))
            case "availability":
                coordinator.camera_availability_changed(
                    camera_id, available=parse_event_availability(data), remembered=False
                )
            case "state":
                coordinator.camera_changed(camera_id, parse_camera_state(data))
            case "controls":
                coordinator.controls_told(camera_id, parse_controls(data))
            case "clip":
                coordinator.clip_told(camera_id, parse_event_clip(data))
            case "snapshot":
                self._snapshot_changed(camera_id, data)

    def _snapshot_changed(self, camera_id: str, data: str) -> None:
        snapshot = parse_event_snapshot(data)
        if snapshot is None:
            self._coordinator.snapshot_named(camera_id, None)
        elif snapshot.camera == camera_id:
            self._coordinator.snapshot_taken(camera_id, snapshot)


def _is_for_long(error: PiMjpegError) -> bool:
    """Return whether it will be the same in a minute: an older server does not have events."""
    return isinstance(error, InvalidResponseError) or (isinstance(error, RefusedError) and error.code == "not_found")
