"""What all entities share: the devices, the availability, and the words for a request that failed."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import override

from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC, DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .api.errors import PiMjpegError, UnauthorisedError
from .api.models import Camera, Server
from .const import DOMAIN
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator


@callback
def async_register_server(entry: PiMjpegConfigEntry) -> None:
    """Register the Pi itself, which its cameras hang on."""
    coordinator = entry.runtime_data
    server = coordinator.data
    device = dr.async_get(coordinator.hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, server.id)},
        connections={(CONNECTION_NETWORK_MAC, server.mac)} if server.mac else set(),
        name=server.name,
        manufacturer="Raspberry Pi" if server.model.startswith("Raspberry Pi") else None,
        model=server.model,
        sw_version=server.version,
        configuration_url=str(coordinator.client.base_url),
    )
    coordinator.server_device_id = device.id


@callback
def async_add_as_found[T: Hashable](
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    find: Callable[[Server], Iterable[T]],
    create: Callable[[T], Iterable[Entity]],
) -> None:
    """Add what `create` makes of each thing that `find` finds in the state: now, and of those that come later."""
    coordinator = entry.runtime_data
    known: set[T] = set()

    @callback
    def add_new() -> None:
        new = [thing for thing in find(coordinator.data) if thing not in known]
        known.update(new)
        if new:
            async_add_entities(entity for thing in new for entity in create(thing))

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new))


class PiMjpegEntity(CoordinatorEntity[PiMjpegCoordinator]):
    """An entity of one server, named after its device and itself."""

    _attr_has_entity_name = True


class PiMjpegServerEntity(PiMjpegEntity):
    """An entity of the Pi itself."""

    def __init__(self, coordinator: PiMjpegCoordinator, key: str) -> None:
        super().__init__(coordinator)
        self._attr_unique_id = f"{coordinator.data.id}_{key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, coordinator.data.id)})


class PiMjpegCameraEntity(PiMjpegEntity):
    """An entity of one camera. It is available while the server is there and the camera gives pictures."""

    needs_pictures = True
    """Whether it is of no use while the camera fails."""

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, key: str) -> None:
        super().__init__(coordinator)
        server = coordinator.data
        camera = server.cameras[camera_id]
        self._camera_id = camera_id
        self._camera_name = camera.name
        self._attr_unique_id = f"{server.id}_{camera_id}_{key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, f"{server.id}_{camera_id}")},
            name=camera.name,
            model=camera.model,
            via_device_id=coordinator.server_device_id,
        )

    @property
    def camera_state(self) -> Camera | None:
        """What the server says of this camera; None when it has it no more."""
        return self.coordinator.data.cameras.get(self._camera_id)

    @property
    @override
    def available(self) -> bool:
        camera = self.camera_state
        return super().available and camera is not None and (camera.available or not self.needs_pictures)

    @contextmanager
    def asking_for(self, translation_key: str) -> Iterator[None]:
        """Translate a request's failure into an error that Home Assistant shows and automations can catch."""
        try:
            yield
        except PiMjpegError as error:
            if isinstance(error, UnauthorisedError):
                self.coordinator.config_entry.async_start_reauth(self.hass)
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key=translation_key,
                translation_placeholders={"camera": self._camera_name, "reason": str(error)},
            ) from error
