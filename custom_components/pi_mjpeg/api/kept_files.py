"""The snapshots and clips that a server keeps: their lists, and their files at signed URLs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import ClientTimeout, hdrs
from yarl import URL

from ..const import MAX_CLIPS_BYTES, MAX_STILL_BYTES
from .documents import parse_clip, parse_clips, parse_snapshots
from .models import Clip, Snapshot
from .responses import read_picture
from .transport import STREAM_TIMEOUT, Transport

RECORDING_MARGIN: Final = 30.0
"""Seconds that the answer to a recording may take beyond it: the camera may have to start, and the disk be slow."""


class KeptFiles:
    """What one server keeps. Every request raises `PiMjpegError`."""

    def __init__(self, transport: Transport, base_url: URL) -> None:
        self._transport = transport
        self._base_url = base_url

    async def snapshots(self, camera_id: str) -> list[Snapshot]:
        """Return the snapshots that the server keeps of a camera, the newest first."""
        url = self._base_url / "api/cameras" / camera_id / "snapshots"
        snapshots = await self._transport.document(hdrs.METH_GET, url, parse_snapshots)
        return [snapshot for snapshot in snapshots if snapshot.camera == camera_id]

    def snapshot_url(self, snapshot: Snapshot) -> URL:
        """Return the signed URL of a snapshot that the server keeps, at the address at which we reach the server."""
        return (self._base_url / "snapshots" / f"{snapshot.id}.jpg").with_query(sig=snapshot.signature)

    async def snapshot(
        self, snapshot: Snapshot, *, width: int | None = None, timeouts: ClientTimeout | None = None
    ) -> bytes:
        """Return the JPEG of a snapshot that the server keeps, at most `width` pixels wide.

        A server before this version sends it in full size, whatever the width.
        """
        url = self.snapshot_url(snapshot)
        url = url if width is None else url.update_query(width=str(width))
        async with self._transport.request(hdrs.METH_GET, url, timeouts) as response:
            return await read_picture(response, MAX_STILL_BYTES)

    async def record_clip(self, camera_id: str, *, before: float, after: float) -> Clip:
        """Have the server record a clip from `before` seconds ago on, and return it `after` seconds from now."""
        url = self._base_url / "api/cameras" / camera_id / "clips"
        timeouts = ClientTimeout(total=after + RECORDING_MARGIN, sock_connect=self._transport.timeouts.sock_connect)
        wanted = {"before": before, "after": after}
        return await self._transport.document(hdrs.METH_POST, url, parse_clip, json=wanted, timeouts=timeouts)

    async def clips(self, camera_id: str) -> list[Clip]:
        """Return the clips that the server keeps of a camera, the newest first."""
        url = self._base_url / "api/cameras" / camera_id / "clips"
        clips = await self._transport.document(hdrs.METH_GET, url, parse_clips, limit=MAX_CLIPS_BYTES)
        return [clip for clip in clips if clip.camera == camera_id]

    def clip_url(self, clip: Clip) -> URL:
        """Return the signed URL at which the server replays a clip."""
        return (self._base_url / "clips" / f"{clip.id}.mjpeg").with_query(sig=clip.replay_signature)

    async def clip_thumbnail(self, clip: Clip) -> bytes:
        """Return a JPEG that shows what a clip is about."""
        return await self._transport.picture(
            (self._base_url / "clips" / f"{clip.id}.jpg").with_query(sig=clip.thumbnail_signature)
        )

    @asynccontextmanager
    async def clip_file(self, clip: Clip) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the file of a clip and yield its chunks."""
        url = (self._base_url / "clips" / f"{clip.id}.bin").with_query(sig=clip.download_signature)
        async with self._transport.request(hdrs.METH_GET, url, STREAM_TIMEOUT) as response:
            yield response.content.iter_any()

    @asynccontextmanager
    async def clip_replay(self, clip: Clip) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the replay of a clip, a multipart stream with the boundary `frame`, and yield its chunks."""
        async with self._transport.request(hdrs.METH_GET, self.clip_url(clip), STREAM_TIMEOUT) as response:
            yield response.content.iter_any()
