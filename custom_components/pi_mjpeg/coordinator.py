"""What is known about one server: its state is polled, and its events and MQTT tell changes in between."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import monotonic
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .api.client import PiMjpegClient
from .api.entity_limits import EntityLimits
from .api.errors import IncompatibleError, PiMjpegError, UnauthorisedError, UntrustedError
from .api.models import Camera, CameraTelemetry, Clip, Control, Motion, Server, ServerTelemetry, Snapshot
from .api.offline_check import OfflineCheck
from .api.paced_updates import PacedUpdates
from .api.snapshot_check import SnapshotCheck
from .const import CONF_IDENTITY, DOMAIN, HELD_POLL_INTERVAL, LOGGER, POLL_INTERVAL
from .flows import issues
from .flows.refusals import async_check_who_refused
from .flows.twins import PROBLEMS as TWIN_PROBLEMS
from .flows.twins import Twins
from .privacy import WISHES, ServerPrivacy

type PiMjpegConfigEntry = ConfigEntry[PiMjpegCoordinator]

ENROLMENT_INTERVAL: Final = 3600.0
"""Seconds until an older server, which cannot be recognised at another address, is asked again."""

_REFRESH_COOLDOWN: Final = 1.0


class PiMjpegCoordinator(DataUpdateCoordinator[Server]):
    """The state of one server, its cameras, and the last snapshot of each.

    `last_update_success` alone says whether the server is there, whether a poll or a message found it out. It is logged
    when it changes, and not again.

    What a message changes is set in `data`, and the listeners are updated soon. `async_set_updated_data` would mark the
    server as reachable and delay the next poll.
    """

    config_entry: PiMjpegConfigEntry
    server_device_id: str
    """The id of the Pi's device. It is set before there is any entity."""

    def __init__(self, hass: HomeAssistant, entry: PiMjpegConfigEntry, client: PiMjpegClient) -> None:
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            update_interval=POLL_INTERVAL,
            request_refresh_debouncer=Debouncer(hass, LOGGER, cooldown=_REFRESH_COOLDOWN, immediate=True),
        )
        self.client = client
        client.transport.on_refused = self._on_refused
        self._twins = Twins()
        self._updates = PacedUpdates(lambda: list(self._listeners), self._update_listener)
        entry.async_on_unload(self._updates.stop)
        # Home Assistant does not unload entries when it stops.
        entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._stop_updates))
        self.snapshots: dict[str, Snapshot] = {}
        self._limits = EntityLimits()
        self._snapshots_changed: dict[str, float] = {}
        self._snapshot_check = SnapshotCheck(client, self.snapshot_taken, self._snapshot_gone)
        self.privacy = ServerPrivacy(
            hass.data[WISHES], str(entry.unique_id), entry.title, client, self.async_update_listeners
        )
        self._offline = OfflineCheck(client, self._on_offline)
        self.has_events = False
        """Whether the server's own events are received, which tell every change."""
        self._enrolled_at: float | None = None
        """When the server was last asked for the secret by which it is recognised."""

    @override
    async def _async_setup(self) -> None:
        # If there are still two machines, they show again.
        issues.async_no_twins(self.hass, self.config_entry)

    @override
    async def _async_update_data(self) -> Server:
        began = monotonic()
        try:
            server = await self.client.state()
        except UnauthorisedError as error:
            raise ConfigEntryAuthFailed(translation_domain=DOMAIN, translation_key="token_rejected") from error
        except PiMjpegError as error:
            if isinstance(error, IncompatibleError):
                issues.async_incompatible(self.hass, self.config_entry, error.schema)
            if isinstance(error, UntrustedError):
                issues.async_untrusted(self.hass, self.config_entry, str(error))
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="update_failed",
                translation_placeholders={"reason": str(error)},
            ) from error
        if server.id != self.config_entry.unique_id:
            # Addresses are leased by routers: another Pi may have this one now.
            issues.async_wrong_server(self.hass, self.config_entry, self.client.base_url, server.name)
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="wrong_server",
                translation_placeholders={"url": str(self.client.base_url), "name": server.name},
            )
        if self._offline.is_stopping(began):
            raise UpdateFailed(translation_domain=DOMAIN, translation_key="server_offline")
        self._offline.answered()
        server = self._limits.within(server)
        issues.async_check_entity_limit(self.hass, self.config_entry, exceeded=self._limits.exceeded)
        self._enrol_soon()
        issues.async_reached(self.hass, self.config_entry)
        issues.async_check_shown_twice(self.hass, self.config_entry)
        self.check_twins(server.telemetry)
        if server.problems & TWIN_PROBLEMS:
            issues.async_twins(self.hass, self.config_entry)
        issues.async_check_clock(self.hass, self.config_entry, self.client.clock_offset)
        await self.privacy.async_compare(server, began)
        self._compare_snapshots(server, began)
        return server

    @callback
    def go_on_without(self, known: Server, reason: Exception) -> None:
        """Wait for a server that did not answer at the start, with what is known of it."""
        LOGGER.warning("%s cannot be reached and is waited for: %s", self.name, reason.__cause__ or reason)
        self.data = known

    def _compare_snapshots(self, server: Server, began: float) -> None:
        """Take over which snapshots the server keeps, from a state that was requested at `began`."""
        for camera in server.cameras.values():
            tells_snapshot = camera.telemetry.enabled is not None
            if not tells_snapshot or self._snapshots_changed.get(camera.id, began) > began:
                continue
            if camera.snapshot is None:
                self.snapshots.pop(camera.id, None)
            elif self.may_show(camera.id):
                self.snapshots[camera.id] = camera.snapshot

    def may_show(self, camera_id: str) -> bool:
        """Return whether a snapshot may be shown: it was not taken while the camera is off here and on at the Pi."""
        return not self.privacy.is_off(camera_id) or self.privacy.is_heard(camera_id)

    @callback
    def _on_refused(self) -> None:
        """Ask for another token, whatever request was refused, and mark the server as unavailable until it is there."""
        self.config_entry.async_start_reauth(self.hass)
        self.hass.async_create_background_task(
            async_check_who_refused(self.hass, self.config_entry), f"pi_mjpeg who answers instead of {self.name}"
        )
        self.async_set_update_error(UpdateFailed(translation_domain=DOMAIN, translation_key="token_rejected"))

    @callback
    def check_twins(self, telemetry: ServerTelemetry) -> None:
        """Report if another machine with the same id said this. The telemetry must not be from a former time."""
        if self._twins.seen(telemetry.started_at):
            issues.async_twins(self.hass, self.config_entry)

    @callback
    @override
    def async_update_listeners(self) -> None:
        self._updates.now()

    @callback
    def _stop_updates(self, _: Event) -> None:
        self._updates.stop()

    def _update_listener(self, listener: int) -> None:
        update, _ = self._listeners.get(listener, (None, None))
        if update is not None:
            try:
                update()
            except Exception:
                self.logger.exception("An entity of %s could not be updated", self.name)

    def _enrol_soon(self) -> None:
        """Ask the server for the secret by which it is recognised at another address, unless there is one."""
        now = monotonic()
        if CONF_IDENTITY in self.config_entry.data:
            return
        if self._enrolled_at is None or now - self._enrolled_at >= ENROLMENT_INTERVAL:
            self._enrolled_at = now
            self.config_entry.async_create_task(self.hass, self._enrol(), eager_start=False)

    async def _enrol(self) -> None:
        entry = self.config_entry
        try:
            identity = await self.client.enrol()
        except PiMjpegError as error:
            # An older server cannot do this. A person is asked when it gets another address.
            LOGGER.debug("%s gives no secret by which it is recognised: %s", self.name, error)
            return
        self.hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_IDENTITY: identity.data()})

    @callback
    def server_went_offline(self) -> None:
        """Mark the server as gone: it said so, or its last will did.

        One that tells its events is asked first.
        """
        if self.has_events:
            self.config_entry.async_create_background_task(self.hass, self._offline.ask(), "pi_mjpeg check of offline")
        else:
            self._offline.went_offline()

    @callback
    def _on_offline(self) -> None:
        self.async_set_update_error(UpdateFailed(translation_domain=DOMAIN, translation_key="server_offline"))

    @callback
    def server_came_online(self) -> None:
        """Ask the server for its state: it says that it is reachable.

        Its cameras may fail where they worked before. An open dashboard loads the live picture each time that a camera
        becomes available, so it must not become that before this is known.
        """
        self._offline.came_online()
        self.refresh_soon()

    @callback
    def events_began(self) -> None:
        """Poll only now and then: the server tells what changes."""
        self.has_events = True
        self.update_interval = HELD_POLL_INTERVAL
        LOGGER.debug("%s tells its events", self.name)

    @callback
    def events_ended(self) -> None:
        """Poll again, and find out at once whether the server is gone, unless it has just said so."""
        self.has_events = False
        self.update_interval = POLL_INTERVAL
        if not self._offline.events_ended():
            self.refresh_soon()

    @callback
    def refresh_soon(self) -> None:
        """Request a refresh without waiting for it."""
        self.config_entry.async_create_task(self.hass, self.async_request_refresh(), eager_start=False)

    @callback
    def server_changed(self, telemetry: ServerTelemetry) -> None:
        """Store the telemetry that the server published. One that publishes some can be asked for its state."""
        self.data = replace(self.data, telemetry=telemetry)
        self._updates.soon()
        if not self.last_update_success:
            self.refresh_soon()

    @callback
    def camera_availability_changed(self, camera_id: str, *, available: bool, remembered: bool) -> None:
        """Store that the camera gives pictures, unless the broker only remembers that, and ask the server.

        That it gives none is not stored: it may have been turned off, and only the server's state says both.
        """
        camera = self.data.cameras.get(camera_id)
        if camera is not None and camera.available is available:
            return
        if available and not remembered:
            self._change_camera(camera_id, lambda camera: replace(camera, available=available))
        # Anybody on the broker can say so.
        self.refresh_soon()

    @callback
    def camera_changed(self, camera_id: str, telemetry: CameraTelemetry) -> None:
        """Store the telemetry of a camera."""
        self._change_camera(camera_id, lambda camera: replace(camera, telemetry=telemetry))
        if telemetry.enabled is self.privacy.is_off(camera_id):
            # Messages are late, and anybody on the broker can send one. The server itself says whether it is so.
            self.refresh_soon()

    @callback
    def controls_changed(self, camera_id: str, controls: Mapping[str, Control]) -> None:
        """Store a camera's controls as they are after one was set."""
        within = self._limits.controls_within(camera_id, controls)
        self._change_camera(camera_id, lambda camera: replace(camera, controls=within))
        self.async_update_listeners()

    @callback
    def controls_told(self, camera_id: str, controls: Mapping[str, Control]) -> None:
        """Store a camera's controls as the server tells them."""
        within = self._limits.controls_within(camera_id, controls)
        self._change_camera(camera_id, lambda camera: replace(camera, controls=within))

    @callback
    def motion_changed(self, camera_id: str, motion: Motion) -> None:
        """Store the motion detection of a camera."""
        self._change_camera(camera_id, lambda camera: replace(camera, motion=motion))

    @callback
    def clip_told(self, camera_id: str, clip: Clip | None) -> None:
        """Store the last clip of a camera, which the server itself said that it keeps."""
        if clip is None or clip.camera == camera_id:
            self._change_camera(camera_id, lambda camera: replace(camera, clip=clip))

    @callback
    def snapshot_taken(self, camera_id: str, snapshot: Snapshot) -> None:
        """Store the last snapshot of a camera, which the server itself said that it keeps."""
        # Each comes twice, in the answer to the request and over MQTT. The times do not say which of two is newer: a Pi
        # has no clock of its own, and starts in the past when it boots.
        if self.may_show(camera_id) and camera_id in self.data.cameras and self.snapshots.get(camera_id) != snapshot:
            self.snapshots[camera_id] = snapshot
            self._snapshots_changed[camera_id] = monotonic()
            self.async_update_listeners()

    @callback
    def snapshot_named(self, camera_id: str, snapshot: Snapshot | None) -> None:
        """Find out whether a snapshot is the last that the server keeps. None stands for no snapshot at all.

        Anybody on the broker can name one, at any time, that the server never took. So nothing of it is shown before
        the server has said so in its state or, if it is an old one, has given its picture.
        """
        camera, known = self.data.cameras.get(camera_id), self.snapshots.get(camera_id)
        if snapshot == known:
            return
        if camera is None or camera.telemetry.enabled is not None:
            self.refresh_soon()
        elif (checked := snapshot or known) is not None:
            check = self._snapshot_check.check(camera_id, checked)
            self.config_entry.async_create_background_task(self.hass, check, "pi_mjpeg check of a snapshot")

    @callback
    def snapshot_refused(self, camera_id: str) -> None:
        """Find out whether the server still keeps the last snapshot: it was deleted, or its address is signed anew."""
        camera = self.data.cameras.get(camera_id)
        if camera is not None and camera.telemetry.enabled is None:
            self._snapshot_gone(camera_id, self.snapshots.get(camera_id))
        self.refresh_soon()

    @callback
    def _snapshot_gone(self, camera_id: str, snapshot: Snapshot | None) -> None:
        """Forget the last snapshot of a camera, if it is this one: the server does not keep it any more."""
        if snapshot is not None and self.snapshots.get(camera_id) == snapshot:
            del self.snapshots[camera_id]
            self._snapshots_changed[camera_id] = monotonic()
            self.async_update_listeners()

    def _change_camera(self, camera_id: str, change: Callable[[Camera], Camera]) -> None:
        camera = self.data.cameras.get(camera_id)
        if camera is None:
            # The server did not have this camera at the last poll.
            self.refresh_soon()
            return
        self.data = replace(self.data, cameras={**self.data.cameras, camera_id: change(camera)})
        self._updates.soon()
