"""Has the privacy switch work also where Home Assistant skips an action, because the entity is unavailable.

That is so for `camera.turn_off` and `camera.turn_on` while the Pi is away, and for the switch while its entry is not
loaded. Every call of an action is an event before it is carried out.
"""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.components.camera.const import DOMAIN as CAMERA_DOMAIN
from homeassistant.components.switch.const import DOMAIN as SWITCH_DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import (
    ATTR_DOMAIN,
    ATTR_ENTITY_ID,
    ATTR_SERVICE,
    ATTR_SERVICE_DATA,
    ENTITY_MATCH_ALL,
    EVENT_CALL_SERVICE,
    SERVICE_TOGGLE,
    SERVICE_TURN_OFF,
    SERVICE_TURN_ON,
)
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import Unauthorized
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_component import DATA_INSTANCES
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from ..api.errors import PiMjpegError
from ..const import CAMERA_KEY, DOMAIN, LOGGER, SMALL_CAMERA_KEY
from ..coordinator import PiMjpegCoordinator
from ..privacy import WISHES, Wish
from .targets import async_may_control

# Whether the camera is on after the action. None stands for the opposite of what it is.
_ENABLED: Final[Mapping[tuple[str, str], bool | None]] = {
    (CAMERA_DOMAIN, SERVICE_TURN_ON): True,
    (CAMERA_DOMAIN, SERVICE_TURN_OFF): False,
    (SWITCH_DOMAIN, SERVICE_TURN_ON): False,
    (SWITCH_DOMAIN, SERVICE_TURN_OFF): True,
    (SWITCH_DOMAIN, SERVICE_TOGGLE): None,
}
_ENDS: Final = {CAMERA_DOMAIN: (f"_{CAMERA_KEY}", f"_{SMALL_CAMERA_KEY}"), SWITCH_DOMAIN: ("_privacy",)}
"""How the unique ids of these entities end."""


@callback
def async_listen(hass: HomeAssistant) -> None:
    """Carry out the skipped actions from now on."""

    @callback
    def turns(data: Mapping[str, Any]) -> bool:
        return (data[ATTR_DOMAIN], data[ATTR_SERVICE]) in _ENABLED

    async def on_call(event: Event[Mapping[str, Any]]) -> None:
        domain, enabled = event.data[ATTR_DOMAIN], _ENABLED[event.data[ATTR_DOMAIN], event.data[ATTR_SERVICE]]
        for entity in _skipped(hass, domain, event.data[ATTR_SERVICE_DATA]):
            try:
                if await async_may_control(hass, event.context, entity.entity_id):
                    await _async_turn(hass, entity, enabled)
            except (PiMjpegError, Unauthorized) as error:
                LOGGER.warning("%s was not turned on or off at the Pi: %s", entity.entity_id, error)

    hass.bus.async_listen(EVENT_CALL_SERVICE, on_call, event_filter=turns)


def _skipped(hass: HomeAssistant, domain: str, data: Mapping[str, Any]) -> list[er.RegistryEntry]:
    """Return the entities of ours for which an action was called and will not be carried out."""
    target = cv.make_entity_service_schema({})(dict(data))
    registry = er.async_get(hass)
    if target.get(ATTR_ENTITY_ID) == ENTITY_MATCH_ALL:
        named = set(registry.entities)
    else:
        selected = async_extract_referenced_entity_ids(hass, TargetSelection(target))
        named = selected.referenced | selected.indirectly_referenced
    loaded = hass.data[DATA_INSTANCES][domain]
    found = []
    for entity_id in named:
        entity, live = registry.async_get(entity_id), loaded.get_entity(entity_id)
        if entity is None or entity.platform != DOMAIN or entity.domain != domain or entity.disabled_by is not None:
            continue
        if entity.unique_id.endswith(_ENDS[domain]) and (live is None or not live.available):
            found.append(entity)
    return found


async def _async_turn(hass: HomeAssistant, entity: er.RegistryEntry, enabled: bool | None) -> None:  # noqa: FBT001
    # A node's id has no underscore, that of a camera may have some.
    server_id, _, rest = entity.unique_id.partition("_")
    camera_id = next(rest.removesuffix(end) for end in _ENDS[entity.domain] if rest.endswith(end))
    wishes = hass.data[WISHES]
    if enabled is None:
        wish = wishes.of(server_id, camera_id)
        enabled = wish is not None and not wish.enabled
    entry = hass.config_entries.async_get_entry(entity.config_entry_id or "")
    if entry is not None and entry.state is ConfigEntryState.LOADED:
        coordinator: PiMjpegCoordinator = entry.runtime_data
        await coordinator.privacy.async_turn(camera_id, enabled=enabled)
    else:
        wishes.set(server_id, camera_id, Wish(enabled, heard=False))
        await wishes.async_save()
