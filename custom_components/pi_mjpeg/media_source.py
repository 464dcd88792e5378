"""Clips in the media browser: the camera, the day, the time."""

from collections.abc import Iterable
from typing import Final, override

from homeassistant.components.media_player.const import MediaClass, MediaType
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.core import HomeAssistant

from .api.errors import PiMjpegError
from .api.models import Clip
from .clips.film import FilmError
from .clips.find import async_clips, async_find_clip, loaded_servers
from .clips.library import LIBRARY
from .clips.paths import clip_path, local_time
from .const import DOMAIN
from .coordinator import PiMjpegCoordinator

NAME: Final = "Raspberry Pi cameras"
_CAMERA, _DAY, _CLIP = 2, 3, 4
"""How many parts the identifier of each has: the entry, the camera, the day and the clip."""


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Return the media source of all servers."""
    return ClipMediaSource(hass)


class ClipMediaSource(MediaSource):
    """The clips that the servers keep."""

    name = NAME

    def __init__(self, hass: HomeAssistant) -> None:
        super().__init__(DOMAIN)
        self._hass = hass

    @override
    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return the URL of a clip: a film, or its replay where no film can be made. Raises `Unresolvable`."""
        entry_id, _, _, clip_id = _parts(item, _CLIP)
        library = self._hass.data[LIBRARY]
        try:
            found = await async_find_clip(self._hass, entry_id, clip_id)
            if found is None:
                raise Unresolvable("the Pi does not keep this clip any more")
            if await library.can_make_films():
                await library.film(found.client, found.node, found.clip)
                return PlayMedia(clip_path(entry_id, clip_id, "mp4"), "video/mp4")
        except (PiMjpegError, FilmError, OSError) as error:
            raise Unresolvable(str(error)) from error
        # The media browser shows it as a picture, which moves.
        return PlayMedia(clip_path(entry_id, clip_id, "mjpeg"), "image/jpeg")

    @override
    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Return the cameras, the days of one, or the clips of a day. Raises `Unresolvable`."""
        if not item.identifier:
            return _folder("", NAME, MediaClass.APP, self._cameras())
        parts = item.identifier.split("/")
        coordinator = loaded_servers(self._hass).get(parts[0])
        camera = coordinator.data.cameras.get(parts[1]) if coordinator and len(parts) in {_CAMERA, _DAY} else None
        if coordinator is None or camera is None:
            raise Unresolvable("there is no such camera")
        try:
            clips = await async_clips(coordinator, camera.id)
        except PiMjpegError as error:
            raise Unresolvable(str(error)) from error
        if len(parts) == _CAMERA:
            days = dict.fromkeys(local_time(clip).strftime("%Y-%m-%d") for clip in clips)
            return _folder(
                item.identifier,
                camera.name,
                MediaClass.DIRECTORY,
                [_folder(f"{item.identifier}/{day}", day, MediaClass.DIRECTORY) for day in days],
            )
        of_day = [clip for clip in clips if local_time(clip).strftime("%Y-%m-%d") == parts[2]]
        media_type = "video/mp4" if await self._hass.data[LIBRARY].can_make_films() else "image/jpeg"
        return _folder(
            item.identifier,
            f"{camera.name} {parts[2]}",
            MediaClass.DIRECTORY,
            [_clip(parts[0], item.identifier, clip, media_type) for clip in of_day],
        )

    def _cameras(self) -> Iterable[BrowseMediaSource]:
        for entry_id, coordinator in loaded_servers(self._hass).items():
            for camera in coordinator.data.cameras.values():
                yield _folder(f"{entry_id}/{camera.id}", _title(coordinator, camera.name), MediaClass.DIRECTORY)


def _title(coordinator: PiMjpegCoordinator, camera: str) -> str:
    return camera if len(coordinator.data.cameras) == 1 else f"{coordinator.data.name}: {camera}"


def _parts(item: MediaSourceItem, count: int) -> list[str]:
    parts = item.identifier.split("/")
    if len(parts) != count:
        raise Unresolvable("this is not a clip")
    return parts


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
