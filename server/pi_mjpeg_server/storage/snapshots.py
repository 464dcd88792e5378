"""Kept snapshots: the newest few of each camera on disk, each under a signed URL that is valid for it alone."""

import asyncio
import logging
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.atomic_file import remove_unfinished, write_atomically
from pi_mjpeg_server.storage.signed_urls import UrlSigner

_LOGGER = logging.getLogger(__name__)
_ID = re.compile(r"[a-z0-9_]+-\d{8}T\d{9}Z-[0-9a-f]{8}")

_CLOCK_TOLERANCE = 60
"""Seconds by which the clock may be corrected backwards before older snapshots count as from the future."""

MAX_PER_CAMERA = 20
"""How many snapshots of each camera are kept; the oldest are deleted first."""


class SnapshotError(Exception):
    """A snapshot cannot be written or read; the message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A kept picture. `path` is its signed URL path, `time` in seconds since 1970, `width` and `height` in pixels."""

    id: str
    camera: str
    path: str
    time: float
    width: int
    height: int
    bytes: int


class SnapshotStore:
    """The folder of kept snapshots."""

    def __init__(self, folder: Path, signer: UrlSigner) -> None:
        """Keep snapshots in `folder`, which is made with the first one. No other process may write there."""
        self._folder = folder
        self._signer = signer
        self._lock = threading.Lock()

    async def save(self, camera: str, frame: Frame) -> Snapshot:
        """Write a frame to disk, off the event loop, and delete the oldest of that camera beyond `MAX_PER_CAMERA`.

        Raises `SnapshotError` when it cannot be written, and `CameraUnavailableError` when the frame is damaged.
        """
        identity = f"{camera}-{_time_in_id(frame.timestamp)}-{secrets.token_hex(4)}"
        try:
            width, height = jpeg.size(frame.jpeg)
            await asyncio.to_thread(self._write, camera, identity, frame)
        except jpeg.JpegError as error:
            raise CameraUnavailableError(f"the picture is damaged: {error}") from error
        except OSError as error:
            raise SnapshotError(f"the snapshot could not be kept in {self._folder}: {error}") from error
        path = f"/snapshots/{identity}.jpg"
        signed = f"{path}?sig={self._signer.sign(path)}"
        return Snapshot(identity, camera, signed, frame.timestamp, width, height, len(frame.jpeg))

    async def open(self, identity: str, signature: str) -> BinaryIO | None:
        """Return the opened file of a snapshot, or None if there is none or the signature is not valid for it.

        Raises `SnapshotError` when the file exists and cannot be read.
        """
        if not _ID.fullmatch(identity) or not self._signer.verify(f"/snapshots/{identity}.jpg", signature):
            return None
        try:
            return await asyncio.to_thread((self._folder / f"{identity}.jpg").open, "rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SnapshotError(f"the snapshot cannot be read: {error.strerror}") from error

    def _write(self, camera: str, identity: str, frame: Frame) -> None:
        with self._lock:
            remove_unfinished(self._folder)
            # No fsync: on an SD card it can take longer than everything else that a snapshot needs, and it also waits
            # for what other programs have written. A power cut loses at most the pictures of the last half minute.
            write_atomically(self._folder / f"{identity}.jpg", frame.jpeg, sync=False)
            self._delete_oldest(camera, identity, frame.timestamp)

    def _delete_oldest(self, camera: str, newest: str, now: float) -> None:
        paths = self._folder.glob(f"{camera}-*.jpg")
        others = [path for path in paths if _ID.fullmatch(path.stem) and path.stem != newest]
        # A Pi has no battery-backed clock: a snapshot from the future was taken before the clock was set back, so it
        # is older than the rest.
        future = f"{camera}-{_time_in_id(now + _CLOCK_TOLERANCE)}"
        others.sort(key=lambda path: (path.stem < future, path.stem))
        try:
            for path in others[: max(0, len(others) + 1 - MAX_PER_CAMERA)]:
                path.unlink(missing_ok=True)
        except OSError as error:
            _LOGGER.warning("old snapshots of %s cannot be deleted: %s", camera, error)


def _time_in_id(timestamp: float) -> str:
    """Return seconds since 1970 as ids hold them: UTC with milliseconds, sorted as text as in time."""
    taken = datetime.fromtimestamp(timestamp, UTC)
    return f"{taken:%Y%m%dT%H%M%S}{taken.microsecond // 1000:03}Z"
