"""The actions of this integration."""

from typing import Any, Final

import voluptuous as vol
from homeassistant.components.camera.const import DOMAIN as CAMERA_DOMAIN
from homeassistant.const import CONF_FILENAME
from homeassistant.core import HomeAssistant, SupportsResponse, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import service

from .const import DOMAIN

TAKE_SNAPSHOT: Final = "take_snapshot"
ATTR_KEEP: Final = "keep"
ATTR_WIDTH: Final = "width"
ATTR_HEIGHT: Final = "height"

_SIDE: Final = vol.All(vol.Coerce(int), vol.Range(min=16, max=8192))

# Typed as Any: mypy sees voluptuous, which is probatio at run time.
_FIELDS: Final[dict[Any, Any]] = {
    vol.Optional(CONF_FILENAME): cv.template,
    vol.Optional(ATTR_WIDTH): _SIDE,
    vol.Optional(ATTR_HEIGHT): _SIDE,
    vol.Optional(ATTR_KEEP, default=True): cv.boolean,
}


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions once for all entries."""
    service.async_register_platform_entity_service(
        hass,
        DOMAIN,
        TAKE_SNAPSHOT,
        entity_domain=CAMERA_DOMAIN,
        schema=_FIELDS,
        func="async_take_snapshot",
        supports_response=SupportsResponse.OPTIONAL,
    )
