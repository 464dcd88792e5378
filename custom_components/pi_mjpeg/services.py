"""The actions of this integration."""

from functools import partial
from typing import Final

from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.helpers.service import async_register_admin_service

from .actions import make_film, record_clip, take_snapshot
from .actions.file_names import PLACEHOLDER
from .actions.targets import async_cameras
from .camera import PiMjpegCamera
from .const import DOMAIN

TAKE_SNAPSHOT: Final = "take_snapshot"
RECORD_CLIP: Final = "record_clip"
MAKE_FILM: Final = "make_film"


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions once for all entries."""
    hass.services.async_register(
        DOMAIN,
        TAKE_SNAPSHOT,
        _async_take_snapshot,
        schema=take_snapshot.SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
        description_placeholders={"placeholder": PLACEHOLDER},
    )
    hass.services.async_register(
        DOMAIN,
        RECORD_CLIP,
        _async_record_clip,
        schema=record_clip.SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
        description_placeholders={"placeholder": PLACEHOLDER},
    )
    # It reads whole folders, so it is for administrators and automations.
    async_register_admin_service(
        hass,
        DOMAIN,
        MAKE_FILM,
        make_film.async_handle,
        schema=make_film.SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_take_snapshot(call: ServiceCall) -> ServiceResponse:
    return await take_snapshot.async_handle(call, partial(_find, call.hass))


async def _async_record_clip(call: ServiceCall) -> ServiceResponse:
    return await record_clip.async_handle(call, await async_cameras(call), partial(_find, call.hass))


def _find(hass: HomeAssistant, entity_id: str) -> PiMjpegCamera | None:
    cameras = hass.data.get(DATA_COMPONENT)
    camera = cameras.get_entity(entity_id) if cameras else None
    return camera if isinstance(camera, PiMjpegCamera) else None
