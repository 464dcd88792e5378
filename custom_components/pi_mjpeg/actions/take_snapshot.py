"""Takes a picture for an automation: kept on the server, written to a file, or both."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util

from ..api.client import PiMjpegClient
from ..api.models import Snapshot
from ..const import DOMAIN
from .picture_files import async_write, size_of


def raise_for_conflict(*, keep: bool, to_file: bool, sized: bool) -> None:
    """Raise `ServiceValidationError` if these options exclude each other."""
    if keep and sized:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="kept_has_full_size")
    if not keep and not to_file:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="nowhere_to_put")


async def async_keep(
    hass: HomeAssistant,
    client: PiMjpegClient,
    camera_id: str,
    path: str | None,
    on_kept: Callable[[Snapshot], None],
) -> dict[str, Any]:
    """Have the server take and keep a snapshot, write it to `path` if there is one, and return its description.

    `on_kept` gets the snapshot before the file is written. Raises `PiMjpegError`, and `HomeAssistantError` when the
    file cannot be written.
    """
    snapshot = await client.take_snapshot(camera_id)
    picture = None if path is None else await client.kept_snapshot(snapshot)
    on_kept(snapshot)
    if path is not None and picture is not None:
        await async_write(hass, path, picture)
    size = (snapshot.width, snapshot.height)
    return _description(path, str(client.kept_snapshot_url(snapshot)), snapshot.time, size, snapshot.bytes)


async def async_save(
    hass: HomeAssistant, client: PiMjpegClient, camera_id: str, path: str, width: int | None, height: int | None
) -> dict[str, Any]:
    """Write a picture that the server does not keep to `path`, and return its description.

    Raises `PiMjpegError`, and `HomeAssistantError` when the file cannot be written.
    """
    picture = await client.snapshot(camera_id, width=width, height=height)
    time = dt_util.utcnow()
    size = await hass.async_add_executor_job(size_of, picture)
    await async_write(hass, path, picture)
    return _description(path, None, time, size or (None, None), len(picture))


def _description(
    path: str | None, url: str | None, time: datetime, size: tuple[int | None, int | None], length: int
) -> dict[str, Any]:
    width, height = size
    return {"path": path, "url": url, "time": time.isoformat(), "width": width, "height": height, "bytes": length}
