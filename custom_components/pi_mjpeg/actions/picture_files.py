"""Pictures as files, in the folders that Home Assistant may write to."""

import io
import os
import tempfile
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from PIL import Image

from ..const import DOMAIN


async def async_check_allowed(hass: HomeAssistant, path: str) -> None:
    """Raise `ServiceValidationError` unless `path` is a JPEG below a folder that Home Assistant may write to.

    Home Assistant serves the files of one such folder. A browser would take a picture with another name for a page.
    """
    if Path(path).suffix.lower() not in {".jpg", ".jpeg"}:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="not_a_picture", translation_placeholders={"path": path}
        )
    if not await hass.async_add_executor_job(hass.config.is_allowed_path, path):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="path_not_allowed", translation_placeholders={"path": path}
        )


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Return the width and height that a JPEG's header names, or None if it names none."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            return image.size
    except OSError, ValueError, Image.DecompressionBombError:
        return None


async def async_write(hass: HomeAssistant, path: str, picture: bytes) -> None:
    """Write the whole file or nothing. Raises `HomeAssistantError` when it cannot be written."""
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
    # In the same folder, so that one rename puts it in its place: nobody reads half a picture.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".jpg", delete=False) as file:
        try:
            file.write(picture)
            file.flush()
            # A temporary file is readable by its owner only. Other programs want to show the picture.
            os.chmod(file.name, 0o644)  # noqa: PTH101 - a path object says no more, and that is what is wanted
            os.replace(file.name, path)  # noqa: PTH105 - likewise
        except OSError:
            os.unlink(file.name)  # noqa: PTH108 - likewise
            raise
