"""What numbers, selects and switches share: each is one of a camera's controls, under its driver's name."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from homeassistant.const import EntityCategory
from homeassistant.core import callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Control, ControlValue, Server
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_as_found

TRANSLATED: Final = frozenset(
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
"""The numbers that drivers name alike; any other control keeps its driver's name."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@callback
def async_add_controls(
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    types: Iterable[str],
    create: Callable[[PiMjpegCoordinator, str, Control], Entity],
) -> None:
    """Add what `create` makes of the controls of these types; a camera's are known once it was opened."""
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
    """An entity that shows and sets one control."""

    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, control: Control) -> None:
        super().__init__(coordinator, camera_id, f"control_{control.name}")
        self._name_of_control = control.name
        words = _HUMP.sub(" ", control.name).replace("_", " ").lower()
        key = words.replace(" ", "_")
        if key in TRANSLATED and control.type in {"integer", "number"}:
            self._attr_translation_key = key
        else:
            self._attr_name = words.capitalize()

    @property
    def control(self) -> Control | None:
        """The control as it is now; None while the camera does not have it."""
        camera = self.camera_state
        return camera.controls.get(self._name_of_control) if camera else None

    @property
    def available(self) -> bool:
        """Whether it can be set."""
        return super().available and self.control is not None

    async def async_set(self, value: ControlValue) -> None:
        """Set the control. Raises `HomeAssistantError` with the server's reason."""
        with self.asking_for("control_failed"):
            controls = await self.coordinator.client.set_control(self._camera_id, self._name_of_control, value)
        self.coordinator.controls_changed(self._camera_id, controls)
