"""Links to pictures and films that are valid for a day, for notifications: whoever has one sees this alone."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from homeassistant.core import HomeAssistant
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView

from ..const import DOMAIN, KIB
from .errors import not_written

LIFETIME: Final = 24 * 3600
"""Seconds for which a link is valid."""

MAX_BYTES: Final = {"jpg": 256 * KIB * KIB, "mp4": 1024 * KIB * KIB}
"""What all pictures, and all films, together may take. The oldest go first."""

_TYPES: Final = {"jpg": "image/jpeg", "mp4": "video/mp4"}
_FOLDERS: Final = {"jpg": "pictures", "mp4": "films"}

# 256 bits: nobody finds it by trying.
_NAME_BYTES: Final = 32
_NAME: Final = re.compile(r"[\w-]{43}", re.ASCII)


async def async_publish(hass: HomeAssistant, picture: bytes) -> str:
    """Keep a picture for a day, and return the path of its link. Raises `HomeAssistantError`.

    Not a signed path of Home Assistant: that is invalid after a restart.
    """
    return await _async_publish(hass, "jpg", lambda path: _write(path, picture))


async def async_publish_film(hass: HomeAssistant, film: Path) -> str:
    """Keep a copy of a film for a day, and return the path of its link. Raises `HomeAssistantError`."""
    return await _async_publish(hass, "mp4", lambda path: _copy(film, path))


async def _async_publish(hass: HomeAssistant, kind: str, write: Callable[[Path], None]) -> str:
    folder = _folder(hass, kind)
    name = secrets.token_urlsafe(_NAME_BYTES)

    def keep() -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(folder / f"{name}.{kind}")
        _delete_old(folder, kind)

    try:
        await hass.async_add_executor_job(keep)
    except OSError as error:
        raise not_written(str(folder), error) from error
    return f"/api/{DOMAIN}/{_FOLDERS[kind]}/{name}.{kind}"


async def async_setup(hass: HomeAssistant) -> None:
    """Serve what was published, before a restart too, and delete what is old."""
    for kind in _TYPES:
        hass.http.register_view(LinkView(kind))
        await hass.async_add_executor_job(_delete_old, _folder(hass, kind), kind)


class LinkView(HomeAssistantView):
    """Serves a picture or film to whoever has its link. A wrong link is a 404: it does not count as a failed login."""

    requires_auth = False

    def __init__(self, kind: str) -> None:
        self.url = f"/api/{DOMAIN}/{_FOLDERS[kind]}/{{name}}.{kind}"
        self.name = f"api:{DOMAIN}:{_FOLDERS[kind]}"
        self._kind = kind

    async def get(self, request: web.Request, name: str) -> web.StreamResponse:
        """Answer with the file or a byte range of it: phones play no film without ranges."""
        hass = request.app[KEY_HASS]
        path = _folder(hass, self._kind) / f"{name}.{self._kind}"
        if not _NAME.fullmatch(name) or not await hass.async_add_executor_job(_is_valid, path):
            raise web.HTTPNotFound
        headers = {
            hdrs.CONTENT_TYPE: _TYPES[self._kind],
            hdrs.CACHE_CONTROL: f"private, max-age={LIFETIME}, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return web.FileResponse(path, headers=headers)


def _folder(hass: HomeAssistant, kind: str) -> Path:
    """Return a folder that no backup includes."""
    return Path(hass.config.cache_path(DOMAIN, _FOLDERS[kind]))


def _write(path: Path, picture: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(picture)


def _copy(film: Path, path: Path) -> None:
    path.touch(mode=0o600, exist_ok=False)
    try:
        shutil.copyfile(film, path)
    except OSError:
        path.unlink()
        raise


def _is_valid(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime <= LIFETIME
    except OSError:
        return False


def _delete_old(folder: Path, kind: str) -> None:
    """Delete what has no valid link any more, and the oldest of what takes too much."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob(f"*.{kind}"):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((status.st_mtime, status.st_size, path))
    total = 0
    for modified, size, path in sorted(found, reverse=True):
        total += size
        if time.time() - modified > LIFETIME or total > MAX_BYTES[kind]:
            path.unlink(missing_ok=True)
