"""The actions of this integration."""

from typing import Final

from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback

from .actions import take_snapshot
from .camera import PiMjpegCamera
from .const import DOMAIN

TAKE_SNAPSHOT: Final = "take_snapshot"


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions once for all entries."""
    hass.services.async_register(
        DOMAIN,
        TAKE_SNAPSHOT,
        _async_take_snapshot,
        schema=take_snapshot.SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
        description_placeholders={"placeholder": take_snapshot.PLACEHOLDER},
    )


async def _async_take_snapshot(call: ServiceCall) -> ServiceResponse:
    def find(entity_id: str) -> PiMjpegCamera | None:
        cameras = call.hass.data.get(DATA_COMPONENT)
        camera = cameras.get_entity(entity_id) if cameras else None
        return camera if isinstance(camera, PiMjpegCamera) else None

    return await take_snapshot.async_handle(call, find)
