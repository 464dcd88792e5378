"""What entities share: devices, availability, errors of requests, and the base class of camera controls."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, override

from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .api.errors import PiMjpegError
from .api.models import Camera, Control, ControlValue, Motion, Server
from .const import DOMAIN
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator

TRANSLATED_CONTROLS: Final = frozenset(
    {
        "brightness",
        "contrast",
        "saturation",
        "sharpness",
        "exposure_value",
        "exposure_time",
        "analogue_gain",
        "gain",
        "gamma",
        "hue",
        "zoom",
        "lens_position",
    }
)
"""Numbers that have the same name in several drivers. Any other control keeps the name that its driver gives it."""

_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@callback
def async_add_as_found[T: Hashable](
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    find: Callable[[Server], Iterable[T]],
    create: Callable[[T], Iterable[Entity]],
) -> None:
    """Add the entities that `create` makes for each item that `find` returns, now and when an update has new ones."""
    coordinator = entry.runtime_data
    known: set[T] = set()

    @callback
    def add_new() -> None:
        new = [item for item in find(coordinator.data) if item not in known]
        known.update(new)
        if new:
            async_add_entities(entity for item in new for entity in create(item))

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new))


@callback
def async_add_for_cameras(
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    *create: Callable[[PiMjpegCoordinator, str], Entity],
) -> None:
    """Add the entities that these make for each of the server's cameras."""
    coordinator = entry.runtime_data
    async_add_as_found(
        entry,
        async_add_entities,
        lambda server: server.cameras,
        lambda camera_id: [each(coordinator, camera_id) for each in create],
    )


@callback
def async_add_for_motion(
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    create: Callable[[PiMjpegCoordinator, str], Entity],
) -> None:
    """Add the entity that `create` makes for each of the server's cameras that can be watched for motion."""
    coordinator = entry.runtime_data
    async_add_as_found(
        entry,
        async_add_entities,
        lambda server: [camera.id for camera in server.cameras.values() if camera.motion is not None],
        lambda camera_id: [create(coordinator, camera_id)],
    )


class PiMjpegEntity(CoordinatorEntity[PiMjpegCoordinator]):
    """An entity of one server. Its name is added to that of its device."""

    _attr_has_entity_name = True


class PiMjpegServerEntity(PiMjpegEntity):
    """An entity of the Pi itself."""

    def __init__(self, coordinator: PiMjpegCoordinator, key: str) -> None:
        super().__init__(coordinator)
        self._attr_unique_id = f"{coordinator.data.id}_{key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, coordinator.data.id)})


class PiMjpegCameraEntity(PiMjpegEntity):
    """An entity of one camera. It is available while the server is reachable and the camera gives pictures."""

    needs_pictures = True
    """Whether the entity is unavailable while the camera fails or is off."""

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, key: str) -> None:
        super().__init__(coordinator)
        server = coordinator.data
        camera = server.cameras[camera_id]
        self._camera_id = camera_id
        self._last_name = camera.name
        self._attr_unique_id = f"{server.id}_{camera_id}_{key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, f"{server.id}_{camera_id}")},
            name=camera.name,
            model=camera.model,
            via_device_id=coordinator.server_device_id,
        )

    @property
    def camera_state(self) -> Camera | None:
        """The camera as the server describes it. None if the server no longer has it."""
        return self.coordinator.data.cameras.get(self._camera_id)

    @property
    def camera_name(self) -> str:
        """The camera's name as the server says it now, or said it last."""
        camera = self.camera_state
        if camera is not None:
            self._last_name = camera.name
        return self._last_name

    @property
    @override
    def available(self) -> bool:
        camera = self.camera_state
        gives_pictures = camera is not None and camera.available and not self.is_off
        return super().available and camera is not None and (gives_pictures or not self.needs_pictures)

    @property
    def is_off(self) -> bool:
        """Whether the privacy switch is on, so that nobody gets a picture of the camera."""
        return self.coordinator.privacy.is_off(self._camera_id)

    async def async_turn(self, *, on: bool) -> None:
        """Turn the camera on or off. Raises `HomeAssistantError` if the Pi refuses."""
        with self.asking_for("privacy_failed"):
            await self.coordinator.privacy.async_turn(self._camera_id, enabled=on)
        self.coordinator.refresh_soon()

    async def async_set_motion(self, **settings: bool | int) -> None:
        """Change settings of the camera's motion detection. Raises `HomeAssistantError` with the server's reason."""
        with self.asking_for("motion_failed"):
            motion = await self.coordinator.client.set_motion(self._camera_id, **settings)
        self.coordinator.motion_changed(self._camera_id, motion)
        self.coordinator.async_update_listeners()

    def raise_if_off(self) -> None:
        """Raise `HomeAssistantError` if the camera is off."""
        if self.is_off:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="camera_is_off",
                translation_placeholders={"camera": self.camera_name},
            )

    @contextmanager
    def asking_for(self, translation_key: str) -> Iterator[None]:
        """Turn a `PiMjpegError` into a translated `HomeAssistantError`."""
        try:
            yield
        except PiMjpegError as error:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key=translation_key,
                translation_placeholders={"camera": self.camera_name, "reason": str(error)},
            ) from error


class MotionSettingEntity(PiMjpegCameraEntity):
    """A setting of the motion detection. It can be changed while the camera fails, but not while it is private."""

    _attr_entity_category = EntityCategory.CONFIG
    needs_pictures = False

    @property
    def motion(self) -> Motion | None:
        """The motion detection as it is now. None while the server does not have it."""
        camera = self.camera_state
        return camera.motion if camera else None

    @property
    @override
    def available(self) -> bool:
        return super().available and self.motion is not None and not self.is_off


@callback
def async_add_controls(
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    types: Iterable[str],
    create: Callable[[PiMjpegCoordinator, str, Control], Entity],
) -> None:
    """Add the entities that `create` makes for controls of these types, which are known once the camera was opened."""
    coordinator = entry.runtime_data

    def find(server: Server) -> list[tuple[str, str]]:
        cameras = server.cameras.values()
        return [
            (camera.id, control.name)
            for camera in cameras
            for control in camera.controls.values()
            if control.type in types
        ]

    async_add_as_found(
        entry,
        async_add_entities,
        find,
        lambda found: [create(coordinator, found[0], coordinator.data.cameras[found[0]].controls[found[1]])],
    )


class ControlEntity(PiMjpegCameraEntity):
    """An entity that shows and sets one control of a camera, under the name that the driver gives it."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, control: Control) -> None:
        super().__init__(coordinator, camera_id, f"control_{control.name}")
        self._control_name = control.name
        words = _WORD_START.sub(" ", control.name).replace("_", " ").lower()
        key = words.replace(" ", "_")
        if key in TRANSLATED_CONTROLS and control.type in {"integer", "number"}:
            self._attr_translation_key = key
        else:
            self._attr_name = words.capitalize()

    @property
    def control(self) -> Control | None:
        """The control as it is now. None while the camera does not have it."""
        camera = self.camera_state
        return camera.controls.get(self._control_name) if camera else None

    @property
    @override
    def available(self) -> bool:
        return super().available and self.control is not None

    async def async_set(self, value: ControlValue) -> None:
        """Set the control. Raises `HomeAssistantError` with the server's reason."""
        self.raise_if_off()
        with self.asking_for("control_failed"):
            controls = await self.coordinator.client.set_control(self._camera_id, self._control_name, value)
        self.coordinator.controls_changed(self._camera_id, controls)
