"""Writes pictures where Home Assistant allows it."""

import os
import tempfile
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from ..const import DOMAIN


async def async_check_allowed(hass: HomeAssistant, path: str) -> None:
    """Raise `ServiceValidationError` unless `path` is below a folder that Home Assistant may write to."""
    if not await hass.async_add_executor_job(hass.config.is_allowed_path, path):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="path_not_allowed", translation_placeholders={"path": path}
        )


async def async_write(hass: HomeAssistant, path: str, picture: bytes) -> None:
    """Write a whole file or none. Raises `HomeAssistantError`."""
    try:
        await hass.async_add_executor_job(_write, Path(path), picture)
    except OSError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="not_written",
            translation_placeholders={"path": path, "reason": error.strerror or str(error)},
        ) from error


def _write(path: Path, picture: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that it can be put in its place in one step: whoever looks at it sees no half picture.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".jpg", delete=False) as file:
        try:
            file.write(picture)
            file.flush()
            # It is made for its owner alone; pictures are for the programs of the house.
            os.chmod(file.name, 0o644)  # noqa: PTH101 - a path object says no more, and that is what is wanted
            os.replace(file.name, path)  # noqa: PTH105 - likewise
        except OSError:
            os.unlink(file.name)  # noqa: PTH108 - likewise
            raise
