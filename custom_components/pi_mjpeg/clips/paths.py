"""The names of what a server keeps in Home Assistant: its URLs and its place in the media browser."""

from datetime import datetime
from typing import Final

from homeassistant.util import dt as dt_util

from ..api.models import Clip, Snapshot
from ..const import DOMAIN

URL: Final = f"/api/{DOMAIN}/clips/{{entry_id}}/{{clip_id}}.{{kind}}"


def clip_path(entry_id: str, clip_id: str, kind: str) -> str:
    """Return the path at which Home Assistant serves a clip; `kind` is `mp4`, `mjpeg` or `jpg`."""
    return URL.format(entry_id=entry_id, clip_id=clip_id, kind=kind)


def media_content_id(entry_id: str, clip: Clip) -> str:
    """Return what plays a clip in `media_player.play_media`."""
    return f"media-source://{DOMAIN}/{entry_id}/{clip.camera}/{local_time(clip):%Y-%m-%d}/{clip.id}"


def local_time(kept: Clip | Snapshot) -> datetime:
    """Return when this was asked for, where Home Assistant is; 1970 if the server's clock was not set."""
    return dt_util.as_local(kept.time or dt_util.utc_from_timestamp(0))
