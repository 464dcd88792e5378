"""The clips of the servers, and the films that were made of them, which are kept for a while."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from ..api.client import PiMjpegClient
from ..api.errors import InvalidResponseError
from ..api.models import Clip
from ..const import DOMAIN, LOGGER, MAX_CLIP_BYTES
from .film import can_make_films, make_film, make_film_of_files

MAX_BYTES: Final = 1024 * 1024 * 1024
"""What all films together may take. Those that were not used for the longest time go first."""

_PIECE: Final = 1024 * 1024

LIBRARY: HassKey[ClipLibrary] = HassKey(f"{DOMAIN}_clips")


class ClipLibrary:
    """Fetches clips and makes films of them, one at a time: a film keeps one or two processor cores busy."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass
        # No backup includes it.
        self._folder = Path(hass.config.cache_path(DOMAIN, "clips"))
        self._turn = asyncio.Lock()
        self._can_make_films: bool | None = None

    async def async_setup(self) -> None:
        """Delete what a Home Assistant that was killed had not finished."""
        await self._hass.async_add_executor_job(_delete_unfinished, self._folder)

    async def can_make_films(self) -> bool:
        """Return whether films can be made here; a clip is replayed as the stream that it is otherwise."""
        if self._can_make_films is None:
            self._can_make_films = await self._hass.async_add_executor_job(can_make_films)
        return self._can_make_films

    async def film(self, client: PiMjpegClient, node: str, clip: Clip) -> Path:
        """Return the film of a clip, which is made at the first call.

        Raises `PiMjpegError` when the clip cannot be fetched, `FilmError`, and `OSError` when it cannot be written.
        """
        film = self._folder / f"{node}-{clip.id}.mp4"
        async with self._turn:
            if await self._hass.async_add_executor_job(_used, film):
                return film
            async with self.fetched(client, clip) as fetched:
                LOGGER.debug("Making a film of the clip %s, %.1f s", clip.id, clip.duration)
                await self._hass.async_add_executor_job(make_film, fetched, film)
                LOGGER.debug("The film of the clip %s is ready", clip.id)
            await self._hass.async_add_executor_job(_delete_old, film)
        return film

    @asynccontextmanager
    async def film_of_files(self, pictures: Sequence[Path], rate: float) -> AsyncIterator[tuple[Path, int]]:
        """Make a film of JPEG files, `rate` a second, which is there inside the `async with` block.

        Yields its path and how many pictures it has. Raises `FilmError`, and `OSError` when it cannot be written.
        """
        film = self._folder / f"{secrets.token_hex(8)}.time-lapse"
        try:
            async with self._turn:
                await self._hass.async_add_executor_job(_create, film)
                count = await self._hass.async_add_executor_job(make_film_of_files, pictures, film, rate)
            yield film, count
        finally:
            await self._hass.async_add_executor_job(partial(film.unlink, missing_ok=True))

    @asynccontextmanager
    async def fetched(self, client: PiMjpegClient, clip: Clip) -> AsyncIterator[Path]:
        """Fetch the file of a clip, which is there inside the `async with` block.

        Raises `PiMjpegError`, also when not all of it came, and `OSError`.
        """
        path = self._folder / f"{secrets.token_hex(8)}.mjpeg"
        try:
            async with client.kept.clip_file(clip) as chunks:
                await self._hass.async_add_executor_job(_create, path)
                length = await self._append(chunks, path)
            if length != clip.bytes:
                raise InvalidResponseError(f"of the clip, {length} of {clip.bytes} bytes came")
            yield path
        finally:
            await self._hass.async_add_executor_job(partial(path.unlink, missing_ok=True))

    async def _append(self, chunks: AsyncIterator[bytes], path: Path) -> int:
        """Write in pieces of a megabyte: each is a call in a thread."""
        length, waiting = 0, bytearray()
        async for chunk in chunks:
            waiting += chunk
            length += len(chunk)
            if length > MAX_CLIP_BYTES:
                raise InvalidResponseError(f"the clip is larger than {MAX_CLIP_BYTES} bytes")
            if len(waiting) >= _PIECE:
                await self._hass.async_add_executor_job(_write, path, bytes(waiting))
                waiting.clear()
        await self._hass.async_add_executor_job(_write, path, bytes(waiting))
        return length


def _used(film: Path) -> bool:
    """Note that a film is used now. Return whether it is there."""
    if not film.exists():
        film.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return False
    film.touch()
    return True


def _delete_unfinished(folder: Path) -> None:
    for path in folder.glob("*"):
        if path.suffix != ".mp4":
            path.unlink(missing_ok=True)


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _write(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def _delete_old(newest: Path) -> None:
    """Delete the films that were not used for the longest time, if they take too much."""
    found = [(path.stat().st_mtime, path.stat().st_size, path) for path in newest.parent.glob("*.mp4")]
    total = 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > MAX_BYTES and path != newest:
            path.unlink(missing_ok=True)
