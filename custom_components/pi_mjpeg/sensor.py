"""Telemetry of the server and of its cameras."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import MAX_LENGTH_STATE_STATE, EntityCategory, UnitOfTemperature
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import CameraTelemetry, ServerTelemetry
from .api.schemas import STATES
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, PiMjpegServerEntity, async_add_as_found, async_add_for_cameras

PARALLEL_UPDATES = 0

type Value = str | float | datetime | None


@dataclass(frozen=True, kw_only=True)
class CameraSensorDescription(SensorEntityDescription):
    """A sensor of a camera."""

    value_fn: Callable[[CameraTelemetry], Value]


@dataclass(frozen=True, kw_only=True)
class ServerSensorDescription(SensorEntityDescription):
    """A sensor of the Pi."""

    value_fn: Callable[[ServerTelemetry], Value]


CAMERA_SENSORS: Final = (
    CameraSensorDescription(
        key="state",
        translation_key="state",
        device_class=SensorDeviceClass.ENUM,
        options=list(STATES),
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda camera: camera.state,
    ),
    CameraSensorDescription(
        key="frame_rate",
        translation_key="frame_rate",
        native_unit_of_measurement="fps",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        # It changes all the time, which would fill the database.
        entity_registry_enabled_default=False,
        value_fn=lambda camera: camera.fps,
    ),
    CameraSensorDescription(
        key="viewers",
        translation_key="viewers",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda camera: camera.viewers,
    ),
    CameraSensorDescription(
        key="drops",
        translation_key="drops",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda camera: camera.drops,
    ),
    CameraSensorDescription(
        key="restarts",
        translation_key="restarts",
        state_class=SensorStateClass.TOTAL_INCREASING,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda camera: camera.restarts,
    ),
    CameraSensorDescription(
        key="last_error",
        translation_key="last_error",
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda camera: camera.last_error[:MAX_LENGTH_STATE_STATE] if camera.last_error else None,
    ),
)

SERVER_SENSORS: Final = (
    ServerSensorDescription(
        key="temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda server: server.temperature,
    ),
    ServerSensorDescription(
        key="started_at",
        translation_key="started_at",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda server: server.started_at,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors for which the Pi has values, and those of each camera."""
    coordinator = entry.runtime_data
    async_add_as_found(
        entry,
        async_add_entities,
        lambda server: [sensor for sensor in SERVER_SENSORS if sensor.value_fn(server.telemetry) is not None],
        lambda sensor: [ServerSensor(coordinator, sensor)],
    )
    async_add_for_cameras(
        entry, async_add_entities, *(partial(CameraSensor, description=description) for description in CAMERA_SENSORS)
    )


class ServerSensor(PiMjpegServerEntity, SensorEntity):
    """One value of the Pi's telemetry."""

    entity_description: ServerSensorDescription

    def __init__(self, coordinator: PiMjpegCoordinator, description: ServerSensorDescription) -> None:
        super().__init__(coordinator, description.key)
        self.entity_description = description

    @property
    @override
    def native_value(self) -> Value:
        return self.entity_description.value_fn(self.coordinator.data.telemetry)


class CameraSensor(PiMjpegCameraEntity, SensorEntity):
    """One value of a camera's telemetry. It stays available while the camera fails, to show why."""

    entity_description: CameraSensorDescription
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, description: CameraSensorDescription) -> None:
        super().__init__(coordinator, camera_id, description.key)
        self.entity_description = description

    @property
    @override
    def native_value(self) -> Value:
        camera = self.camera_state
        return self.entity_description.value_fn(camera.telemetry) if camera else None
