"""Kept snapshots: the last few of each camera on disk, each under a URL that is signed and good for it alone."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Frame

_LOGGER = logging.getLogger(__name__)
_ID = re.compile(r"[a-z0-9_]+-\d{8}T\d{9}Z-[0-9a-f]{8}")

_CLOCK_IS_RIGHT_WITHIN = 60

KEPT = 20
"""How many snapshots of each camera are kept; the oldest go first."""


class SnapshotError(Exception):
    """A snapshot could not be kept, or not be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A kept picture: `path` is its signed path on this server, `time` in seconds since 1970, size in pixels."""

    id: str
    camera: str
    path: str
    time: float
    width: int
    height: int
    bytes: int


class UrlSigner:
    """Signs paths; a signature is good for one path and until the key changes."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        """Use the key that `key` returns now: 32 bytes, made of the access token and rotated with it."""
        self._key = key

    def sign(self, path: str) -> str:
        """Return the signature of `path`: HMAC-SHA256 in URL-safe base64."""
        digest = hmac.new(self._key(), path.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_signed(self, path: str, signature: str) -> bool:
        """Tell whether `signature` belongs to `path`, in a time that says nothing about where they differ."""
        return hmac.compare_digest(self.sign(path).encode(), signature.encode(errors="replace"))


class SnapshotStore:
    """The folder of kept snapshots."""

    def __init__(self, folder: Path, signer: UrlSigner) -> None:
        """Keep them in `folder`, which is made when the first one comes."""
        self._folder = folder
        self._signer = signer
        self._writing = threading.Lock()

    async def keep(self, camera: str, frame: Frame) -> Snapshot:
        """Write a frame to disk, off the loop, and forget the oldest of that camera beyond `KEPT`.

        Raises `SnapshotError` when the disk does not take it, and `CameraUnavailableError` when the frame is damaged.
        """
        identity = f"{camera}-{_stamp(frame.timestamp)}-{secrets.token_hex(4)}"
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
        """Return the file of a snapshot, or `None` when there is none or the signature is not its own.

        Raises `SnapshotError` when it is there and cannot be read.
        """
        if not _ID.fullmatch(identity) or not self._signer.is_signed(f"/snapshots/{identity}.jpg", signature):
            return None
        try:
            return await asyncio.to_thread((self._folder / f"{identity}.jpg").open, "rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SnapshotError(f"the snapshot cannot be read: {error.strerror}") from error

    def _write(self, camera: str, identity: str, frame: Frame) -> None:
        with self._writing:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Nobody else writes now, so what is unfinished is of a server that was cut off.
            for path in self._folder.glob(".*"):
                if _ID.fullmatch(path.name[1:]):
                    path.unlink()
            unfinished = self._folder / f".{identity}"
            try:
                unfinished.write_bytes(frame.jpeg)
                unfinished.rename(self._folder / f"{identity}.jpg")
            except OSError:
                with contextlib.suppress(OSError):
                    unfinished.unlink()
                raise
            self._forget_oldest(camera, identity, frame.timestamp)

    def _forget_oldest(self, camera: str, newest: str, now: float) -> None:
        paths = self._folder.glob(f"{camera}-*.jpg")
        others = [path for path in paths if _ID.fullmatch(path.stem) and path.stem != newest]
        # A Pi has no clock of its own: what is of the future was taken before the time was set back.
        future = f"{camera}-{_stamp(now + _CLOCK_IS_RIGHT_WITHIN)}"
        others.sort(key=lambda path: (path.stem < future, path.stem))
        try:
            for path in others[: max(0, len(others) + 1 - KEPT)]:
                path.unlink(missing_ok=True)
        except OSError as error:
            _LOGGER.warning("old snapshots of %s stay: %s", camera, error)


def _stamp(timestamp: float) -> str:
    taken = datetime.fromtimestamp(timestamp, UTC)
    return f"{taken:%Y%m%dT%H%M%S}{taken.microsecond // 1000:03}Z"
