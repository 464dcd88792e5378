"""Whether the server is reachable, its Pi is throttled, a camera fails, and something moves in front of it."""

from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import (
    PiMjpegCameraEntity,
    PiMjpegServerEntity,
    async_add_as_found,
    async_add_for_cameras,
    async_add_for_motion,
)

PARALLEL_UPDATES = 0

_FAILING = frozenset({"failing", "stuck"})


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensors of the Pi and of each camera."""
    coordinator = entry.runtime_data
    async_add_entities([ConnectivitySensor(coordinator)])
    async_add_as_found(
        entry,
        async_add_entities,
        # Only a Raspberry Pi reports it.
        lambda server: ["throttled"] if server.telemetry.throttled is not None else [],
        lambda _: [ThrottledSensor(coordinator)],
    )
    async_add_for_cameras(entry, async_add_entities, ProblemSensor)
    async_add_for_motion(entry, async_add_entities, MotionSensor)


class ConnectivitySensor(PiMjpegServerEntity, BinarySensorEntity):
    """On while the server is reachable. The only entity that is never unavailable."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, coordinator: PiMjpegCoordinator) -> None:
        super().__init__(coordinator, "connectivity")

    @property
    @override
    def available(self) -> bool:
        return True

    @property
    @override
    def is_on(self) -> bool:
        return self.coordinator.last_update_success


class ThrottledSensor(PiMjpegServerEntity, BinarySensorEntity):
    """On while the Pi is throttled: it is too hot, or its power supply too weak."""

    _attr_translation_key = "throttled"
    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, coordinator: PiMjpegCoordinator) -> None:
        super().__init__(coordinator, "throttled")

    @property
    @override
    def is_on(self) -> bool | None:
        reasons = self.coordinator.data.telemetry.throttled
        return None if reasons is None else bool(reasons)


class ProblemSensor(PiMjpegCameraEntity, BinarySensorEntity):
    """On while the camera fails to give pictures."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "problem")

    @property
    @override
    def is_on(self) -> bool | None:
        state = self.camera_state.telemetry.state if self.camera_state else None
        return state in _FAILING if state else None


class MotionSensor(PiMjpegCameraEntity, BinarySensorEntity):
    """On while something moves, unknown while nobody looks, and unavailable while there is no picture to look at."""

    _attr_device_class = BinarySensorDeviceClass.MOTION

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "motion")

    @property
    @override
    def is_on(self) -> bool | None:
        camera = self.camera_state
        motion = camera.motion if camera else None
        if motion is None or not motion.enabled or motion.error is not None:
            return None
        return motion.motion
