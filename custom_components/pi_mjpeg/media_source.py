"""Clips and snapshots in the media browser: the camera, the day, the time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, override

from homeassistant.components import media_source
from homeassistant.components.media_player.const import MediaClass, MediaType
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api.errors import PiMjpegError
from .api.models import Clip, Snapshot
from .clips.film import FilmError
from .clips.find import FoundClip, async_clips, async_find_clip, loaded_servers
from .clips.library import LIBRARY
from .clips.paths import clip_path, local_time
from .const import DOMAIN
from .coordinator import PiMjpegCoordinator
from .kept_snapshots import FULL, SMALL, async_picture, async_snapshots, snapshot_path

NAME: Final = "Raspberry Pi cameras"
_MediaImage: Final[Any] = getattr(media_source, "MediaImage", None)
"""Home Assistant 2026.10 has none, and asks for none."""

_CAMERA, _DAY, _KEPT = 2, 3, 4
"""How many parts the identifier of each has: the entry, the camera, the day and what is kept."""

_PICTURE_SUFFIX: Final = ".jpg"
"""The end of a snapshot's identifier. That of a clip is its id alone."""

_CLOCK_TOLERANCE: Final = timedelta(minutes=1)


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Return the media source of all servers."""
    return KeptMediaSource(hass)


class KeptMediaSource(MediaSource):
    """The clips and snapshots that the servers keep."""

    name = NAME

    def __init__(self, hass: HomeAssistant) -> None:
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return the URL of a snapshot, or of a clip: a film, or its replay where no film can be made.

        Raises `Unresolvable`.
        """
        entry_id, kept_id = _parts(item)
        if kept_id.endswith(_PICTURE_SUFFIX):
            await self._picture(entry_id, kept_id)
            snapshot_id = kept_id.removesuffix(_PICTURE_SUFFIX)
            return PlayMedia(snapshot_path(entry_id, snapshot_id, FULL), "image/jpeg")
        library = self._hass.data[LIBRARY]
        found = await self._find_clip(entry_id, kept_id)
        try:
            if await library.can_make_films():
                film = await library.film(found.client, found.node, found.clip)
                return PlayMedia(clip_path(entry_id, kept_id, "mp4"), "video/mp4", path=film)
        except (PiMjpegError, FilmError, OSError) as error:
            raise Unresolvable(str(error)) from error
        # The media browser shows it as a picture, which moves.
        return PlayMedia(clip_path(entry_id, kept_id, "mjpeg"), "image/jpeg")

    async def async_get_media_image(self, item: MediaSourceItem) -> Any:  # noqa: ANN401 - 2026.10 has no MediaImage
        """Return a snapshot, or the moment of most change in a clip, as an AI task sees it. Raises `Unresolvable`."""
        entry_id, kept_id = _parts(item)
        if kept_id.endswith(_PICTURE_SUFFIX):
            return _MediaImage(await self._picture(entry_id, kept_id), "image/jpeg")
        found = await self._find_clip(entry_id, kept_id)
        try:
            return _MediaImage(await found.client.kept.clip_thumbnail(found.clip), "image/jpeg")
        except PiMjpegError as error:
            raise Unresolvable(str(error)) from error

    async def _picture(self, entry_id: str, kept_id: str) -> bytes:
        try:
            picture = await async_picture(self._hass, entry_id, kept_id.removesuffix(_PICTURE_SUFFIX), FULL)
        except PiMjpegError as error:
            raise Unresolvable(str(error)) from error
        if picture is None:
            raise Unresolvable("the Pi does not keep this snapshot any more")
        return picture

    async def _find_clip(self, entry_id: str, clip_id: str) -> FoundClip:
        try:
            found = await async_find_clip(self._hass, entry_id, clip_id)
        except PiMjpegError as error:
            raise Unresolvable(str(error)) from error
        if found is None:
            raise Unresolvable("the Pi does not keep this clip any more")
        return found

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Return the cameras, the days of one, or what is kept of a day. Raises `Unresolvable`."""
        if not item.identifier:
            return _folder("", NAME, MediaClass.APP, self._cameras())
        parts = item.identifier.split("/")
        coordinator = loaded_servers(self._hass).get(parts[0])
        camera = coordinator.data.cameras.get(parts[1]) if coordinator and len(parts) in {_CAMERA, _DAY} else None
        if coordinator is None or camera is None:
            raise Unresolvable("there is no such camera")
        try:
            kept: list[Clip | Snapshot] = [
                *await async_clips(coordinator, camera.id),
                *await async_snapshots(coordinator, camera.id),
            ]
        except PiMjpegError as error:
            raise Unresolvable(str(error)) from error
        kept.sort(key=_age, reverse=True)
        if len(parts) == _CAMERA:
            days = dict.fromkeys(_day(each) for each in kept)
            return _folder(
                item.identifier,
                camera.name,
                MediaClass.DIRECTORY,
                [_folder(f"{item.identifier}/{day}", day, MediaClass.DIRECTORY) for day in days],
            )
        media_type = "video/mp4" if await self._hass.data[LIBRARY].can_make_films() else "image/jpeg"
        return _folder(
            item.identifier,
            f"{camera.name} {parts[2]}",
            MediaClass.DIRECTORY,
            [
                _snapshot(parts[0], item.identifier, each)
                if isinstance(each, Snapshot)
                else _clip(parts[0], item.identifier, each, media_type)
                for each in kept
                if _day(each) == parts[2]
            ],
        )

    def _cameras(self) -> Iterable[BrowseMediaSource]:
        for entry_id, coordinator in loaded_servers(self._hass).items():
            for camera in coordinator.data.cameras.values():
                yield _folder(f"{entry_id}/{camera.id}", _title(coordinator, camera.name), MediaClass.DIRECTORY)


def _title(coordinator: PiMjpegCoordinator, camera: str) -> str:
    return camera if len(coordinator.data.cameras) == 1 else f"{coordinator.data.name}: {camera}"


def _parts(item: MediaSourceItem) -> tuple[str, str]:
    """Return the id of the entry, and of what it keeps."""
    parts = item.identifier.split("/")
    if len(parts) != _KEPT:
        raise Unresolvable("this is neither a clip nor a snapshot")
    return parts[0], parts[3]


def _day(kept: Clip | Snapshot) -> str:
    return f"{local_time(kept):%Y-%m-%d}"


def _age(kept: Clip | Snapshot) -> tuple[bool, datetime]:
    """Return a key by which the oldest is the first. What is from the future was kept before a clock was set back."""
    time = local_time(kept)
    return time < dt_util.utcnow() + _CLOCK_TOLERANCE, time


def _folder(
    identifier: str, title: str, media_class: MediaClass, children: Iterable[BrowseMediaSource] = ()
) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=identifier,
        media_class=media_class,
        media_content_type=MediaType.VIDEO,
        title=title,
        can_play=False,
        can_expand=True,
        children_media_class=MediaClass.VIDEO,
        children=list(children),
    )


def _clip(entry_id: str, folder: str, clip: Clip, media_type: str) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=f"{folder}/{clip.id}",
        media_class=MediaClass.VIDEO,
        media_content_type=media_type,
        title=f"{local_time(clip):%H:%M:%S} ({clip.duration:.0f} s)",
        can_play=True,
        can_expand=False,
        thumbnail=clip_path(entry_id, clip.id, "jpg"),
    )


def _snapshot(entry_id: str, folder: str, snapshot: Snapshot) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=f"{folder}/{snapshot.id}{_PICTURE_SUFFIX}",
        media_class=MediaClass.IMAGE,
        media_content_type="image/jpeg",
        title=f"{local_time(snapshot):%H:%M:%S}",
        can_play=True,
        can_expand=False,
        thumbnail=snapshot_path(entry_id, snapshot.id, SMALL),
    )
