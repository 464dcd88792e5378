"""The action `pi_mjpeg.make_film`: a film of the pictures in a folder, such as those of a time-lapse."""

import os
from pathlib import Path
from typing import Any, Final

import voluptuous as vol
from homeassistant.const import CONF_FILENAME
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse

from ..clips.film import FilmError
from ..clips.library import LIBRARY
from .errors import not_written, reason_of, refused
from .file_names import file_name, full_path
from .picture_files import PICTURE_SUFFIXES, async_check_folder, async_copy

ATTR_FOLDER: Final = "folder"
ATTR_RATE: Final = "rate"

MAX_RATE: Final = 60
MAX_PICTURES: Final = 20_000
"""Of one film. So many of 1280x720 take about ten minutes on a PC, and no other film is made meanwhile."""

_FIELDS: Final[dict[Any, Any]] = {
    vol.Required(ATTR_FOLDER): file_name,
    vol.Required(CONF_FILENAME): file_name,
    vol.Optional(ATTR_RATE, default=25): vol.All(vol.Coerce(float), vol.Range(min=1, max=MAX_RATE)),
}
SCHEMA: Final[Any] = vol.Schema(_FIELDS)


async def async_handle(call: ServiceCall) -> ServiceResponse:
    """Make a film of the JPEGs in a folder, in the order of their names, and return where it is.

    Raises `ServiceValidationError` when folder or file may not be used, or there is nothing to make a film of, and
    `HomeAssistantError` when no film can be made or written.
    """
    hass, rate = call.hass, call.data[ATTR_RATE]
    folder, path = (full_path(hass, call.data[name]) for name in (ATTR_FOLDER, CONF_FILENAME))
    if Path(path).suffix.lower() != ".mp4":
        raise refused("not_an_mp4", path=path)
    library = hass.data[LIBRARY]
    if not await library.can_make_films():
        raise refused("no_films_of_folders")
    for each in (folder, path):
        await async_check_folder(hass, each)
    pictures = await _async_pictures(hass, folder)
    try:
        async with library.film_of_files(pictures, rate) as (film, count):
            size = (await hass.async_add_executor_job(film.stat)).st_size
            await async_copy(hass, film, path)
    except (FilmError, OSError) as error:
        raise not_written(path, error) from error
    return {"path": path, "frames": count, "duration": count / rate, "bytes": size}


async def _async_pictures(hass: HomeAssistant, folder: str) -> list[Path]:
    try:
        pictures = await hass.async_add_executor_job(_pictures, folder)
    except (OSError, ValueError) as error:
        raise refused("folder_not_read", path=folder, reason=reason_of(error)) from error
    if not pictures:
        raise refused("no_pictures", path=folder)
    if len(pictures) > MAX_PICTURES:
        raise refused("too_many_pictures", path=folder, count=str(MAX_PICTURES))
    return pictures


def _pictures(folder: str) -> list[Path]:
    """Return the first of the JPEGs in a folder by their names, at most one more than a film may have."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if Path(entry.name).suffix.lower() in PICTURE_SUFFIXES)
    return [Path(folder) / name for name in names[: MAX_PICTURES + 1]]
