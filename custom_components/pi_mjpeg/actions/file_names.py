"""Names of files in the calls of actions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import voluptuous as vol
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv

from .errors import refused

PLACEHOLDER: Final = "{entity_id}"
"""In a file name it stands for the id of the camera's entity. It is no template, so it is the same wherever it is used:
scripts and automations render templates before they call an action, everybody else does not."""

MAX_PATH: Final = 4096
_TEMPLATE_SIGNS: Final = ("{{", "{%", "{#")


def file_name(value: object) -> str:
    """Accept the name of a file, without a template."""
    name = cv.string(value)
    if any(sign in name for sign in _TEMPLATE_SIGNS):
        raise vol.Invalid("templates are rendered in scripts and automations only")
    if not name.isprintable() or not 0 < len(name) <= MAX_PATH:
        raise vol.Invalid("this is not the name of a file")
    return name


def paths_of(hass: HomeAssistant, entity_ids: list[str], name: str | None) -> Mapping[str, str]:
    """Return the path of each camera's file. Raises `ServiceValidationError` if two would write the same."""
    if name is None:
        return {}
    if len(entity_ids) > 1 and PLACEHOLDER not in name:
        raise refused("one_file_for_several", placeholder=PLACEHOLDER)
    name = full_path(hass, name)
    return {entity_id: name.replace(PLACEHOLDER, entity_id) for entity_id in entity_ids}


def full_path(hass: HomeAssistant, name: str) -> str:
    """Return the full path of a file or folder.

    A name that is no full path is in the folder of Home Assistant's local media, which exists in every kind of
    installation.
    """
    media = hass.config.media_dirs.get("local")
    return name if media is None else str(Path(media) / name)
