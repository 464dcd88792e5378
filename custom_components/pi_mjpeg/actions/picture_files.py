"""Pictures and films as files, in the folders that Home Assistant may write to."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from homeassistant.core import HomeAssistant

from .errors import not_written, refused

_NO_RENAME: Final = frozenset({errno.EPERM, errno.EACCES, errno.EXDEV, errno.EBUSY, errno.ENOSYS, errno.EOPNOTSUPP})
"""How a file system refuses a new file in a folder, or to move it over another one."""

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg"})

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

# The umask of Home Assistant, or the default ACL of the folder, takes away what others may not do.
_MODE: Final = 0o666


async def async_check_allowed(hass: HomeAssistant, path: str) -> None:
    """Raise `ServiceValidationError` unless `path` is a JPEG below a folder that Home Assistant may write to.

    Home Assistant serves the files of one such folder. A browser would take a picture with another name for a page.
    """
    if Path(path).suffix.lower() not in PICTURE_SUFFIXES:
        raise refused("not_a_picture", path=path)
    await async_check_folder(hass, path)


async def async_check_folder(hass: HomeAssistant, path: str) -> None:
    """Raise `ServiceValidationError` unless `path` is below a folder that Home Assistant may write to."""
    if not await hass.async_add_executor_job(_is_allowed, hass, path):
        raise refused("path_not_allowed", path=path)


def _is_allowed(hass: HomeAssistant, path: str) -> bool:
    try:
        return hass.config.is_allowed_path(path)
    except OSError, ValueError:
        return False


async def async_write(hass: HomeAssistant, path: str, picture: bytes) -> None:
    """Write the whole file or nothing. Raises `HomeAssistantError` when it cannot be written.

    In a folder that allows no new file, or no renaming, the file is written in its place, and readers may see a part.
    """
    await _async_fill(hass, path, lambda file: file.write(picture))


async def async_copy(hass: HomeAssistant, source: Path, path: str) -> None:
    """Copy a whole file or nothing, as `async_write` writes one. Raises `HomeAssistantError`."""

    def copy(file: IO[bytes]) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file)

    await _async_fill(hass, path, copy)


async def _async_fill(hass: HomeAssistant, path: str, write: Callable[[IO[bytes]], object]) -> None:
    try:
        await hass.async_add_executor_job(_fill, Path(path), write)
    except (OSError, ValueError) as error:
        raise not_written(path, error) from error


def _fill(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    # In the same folder, so that one rename puts it in its place. With this name, no program takes it for a picture.
    temporary = path.parent / f".pi_mjpeg-{secrets.token_hex(8)}.tmp"
    try:
        try:
            _open_and_write(temporary, write, os.O_EXCL)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink()
    except OSError as error:
        if error.errno not in _NO_RENAME or path.is_dir():
            raise
        existed = path.exists()
        try:
            _open_and_write(path, write, os.O_TRUNC)
        except OSError:
            if not existed:
                with suppress(OSError):
                    path.unlink()
            raise


def _open_and_write(path: Path, write: Callable[[IO[bytes]], object], flag: int) -> None:
    with os.fdopen(os.open(path, _FLAGS | flag, _MODE), "wb") as file:
        write(file)
