"""Finds the cameras that the target of an action names, and says which of them are not there.

Home Assistant's own way of calling an entity leaves out what is unavailable, disabled or misspelt, and reports success.
"""

from typing import Final

from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.components.camera.const import DOMAIN as CAMERA_DOMAIN
from homeassistant.const import ATTR_ENTITY_ID, ENTITY_MATCH_ALL
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.exceptions import Unauthorized, UnknownUser
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from ..const import CAMERA_KEY, DOMAIN, SMALL_CAMERA_KEY
from .errors import refused

MAX_NAMED: Final = 10
"""How many of the things that are missing an error names."""


async def async_cameras(call: ServiceCall) -> list[str]:
    """Return the entity ids of the cameras of this integration that an action is for, sorted.

    What is named by itself has to be one of them. Of groups, areas, devices, floors and labels they are picked out, and
    of the two entities of a camera only one: the action is for the camera.
    Raises `ServiceValidationError` that says what is not there, and `Unauthorized`.
    """
    hass = call.hass
    ours = _our_cameras(hass)
    if call.data.get(ATTR_ENTITY_ID) == ENTITY_MATCH_ALL:
        permitted = {entity_id for entity_id in ours if await async_may_control(hass, call.context, entity_id)}
        return _some(_once_each(hass, permitted, set()))
    selection = TargetSelection(call.data)
    selected = async_extract_referenced_entity_ids(hass, selection)
    named = {entity_id for entity_id in selection.entity_ids if not _is_group(hass, entity_id)}
    cameras = _once_each(hass, (selected.referenced | selected.indirectly_referenced) & ours, named)
    for entity_id in sorted(cameras):
        if not await async_may_control(hass, call.context, entity_id):
            raise Unauthorized(context=call.context, entity_id=entity_id, permission=POLICY_CONTROL)
    missing = [
        *(named - ours),
        *(f"device {device}" for device in selected.missing_devices),
        *(f"area {area}" for area in selected.missing_areas),
        *(f"floor {floor}" for floor in selected.missing_floors),
        *(f"label {label}" for label in selected.missing_labels),
    ]
    if missing:
        names = ", ".join(name[:100] for name in sorted(missing)[:MAX_NAMED])
        raise refused("no_such_camera", names=names)
    return _some(cameras)


def _once_each(hass: HomeAssistant, picked: set[str], named: set[str]) -> set[str]:
    """Return what is named, and one entity of each other camera: the small one only if it is the only one."""
    registry = er.async_get(hass)

    def unique_id(entity_id: str) -> str:
        entity = registry.async_get(entity_id)
        return entity.unique_id if entity else ""

    def camera(entity_id: str) -> str:
        return unique_id(entity_id).removesuffix(SMALL_CAMERA_KEY).removesuffix(CAMERA_KEY)

    found = {camera(entity_id): entity_id for entity_id in named}
    for entity_id in sorted(picked - named, key=lambda each: unique_id(each).endswith(SMALL_CAMERA_KEY)):
        found.setdefault(camera(entity_id), entity_id)
    return named | set(found.values())


def _some(cameras: set[str]) -> list[str]:
    if not cameras:
        raise refused("no_camera_in_target")
    return sorted(cameras)


def _is_group(hass: HomeAssistant, entity_id: str) -> bool:
    """Return whether this is a group of entities that have ids of their own."""
    state = hass.states.get(entity_id)
    return state is not None and ATTR_ENTITY_ID in state.attributes


def _our_cameras(hass: HomeAssistant) -> set[str]:
    """Return the entity ids of all cameras of this integration that are not disabled."""
    return {
        entity.entity_id
        for entity in er.async_get(hass).entities.values()
        if entity.platform == DOMAIN and entity.domain == CAMERA_DOMAIN and entity.disabled_by is None
    }


async def async_may_control(hass: HomeAssistant, context: Context, entity_id: str) -> bool:
    """Return whether who is behind `context` may control an entity. An automation may."""
    if context.user_id is None:
        return True
    user = await hass.auth.async_get_user(context.user_id)
    if user is None:
        raise UnknownUser(context=context)
    return user.permissions.check_entity(entity_id, POLICY_CONTROL)
