"""Links to pictures that are valid for a day, for notifications: whoever has one sees this picture and no other."""

import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView

from ..const import DOMAIN, KIB

LIFETIME: Final = 24 * 3600
"""Seconds for which a link is valid."""

MAX_BYTES: Final = 256 * KIB * KIB
"""What all pictures together may take. The oldest go first."""

_NAME: Final = re.compile(r"[\w-]{43}\.jpg", re.ASCII)


async def async_publish(hass: HomeAssistant, picture: bytes) -> str:
    """Keep a picture for a day, and return the path of its link. Raises `HomeAssistantError`.

    Not a signed path of Home Assistant: that is invalid after a restart.
    """
    # 256 bits: nobody finds it by trying.
    name = f"{secrets.token_urlsafe(32)}.jpg"
    try:
        await hass.async_add_executor_job(_write, _folder(hass) / name, picture)
    except OSError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="not_written",
            translation_placeholders={"path": str(_folder(hass)), "reason": error.strerror or str(error)},
        ) from error
    return PictureView.url.format(name=name)


async def async_setup(hass: HomeAssistant) -> None:
    """Serve the pictures, those from before a restart too, and delete the old ones."""
    hass.http.register_view(PictureView())
    await hass.async_add_executor_job(_delete_old, _folder(hass))


class PictureView(HomeAssistantView):
    """Serves a picture to whoever has its link. A wrong link is a 404, so that it does not count as a failed login."""

    url = f"/api/{DOMAIN}/pictures/{{name}}"
    name = f"api:{DOMAIN}:pictures"
    requires_auth = False

    async def get(self, request: web.Request, name: str) -> web.Response:
        """Answer with the picture."""
        hass = request.app[KEY_HASS]
        picture = None
        if _NAME.fullmatch(name):
            picture = await hass.async_add_executor_job(_read, _folder(hass) / name)
        if picture is None:
            raise web.HTTPNotFound
        headers = {hdrs.CACHE_CONTROL: f"private, max-age={LIFETIME}, immutable", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=picture, content_type="image/jpeg", headers=headers)


def _folder(hass: HomeAssistant) -> Path:
    """Return a folder that no backup includes."""
    return Path(hass.config.cache_path(DOMAIN, "pictures"))


def _write(path: Path, picture: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(picture)
    _delete_old(path.parent)


def _read(path: Path) -> bytes | None:
    try:
        if time.time() - path.stat().st_mtime > LIFETIME:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _delete_old(folder: Path) -> None:
    """Delete the pictures whose links are invalid, and the oldest of those that take too much."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob("*.jpg"):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((status.st_mtime, status.st_size, path))
    total = 0
    for modified, size, path in sorted(found, reverse=True):
        total += size
        if time.time() - modified > LIFETIME or total > MAX_BYTES:
            path.unlink(missing_ok=True)
