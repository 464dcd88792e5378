"""Kept snapshots: the last few of each camera on disk, each under a URL that is signed and good for it alone."""

import asyncio
import base64
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pi_mjpeg_server import jpeg
from pi_mjpeg_server.frame import Frame

_LOGGER = logging.getLogger(__name__)
_ID = re.compile(r"[a-z0-9_]+-\d{8}T\d{9}Z-[0-9a-f]{8}")

KEPT = 20
"""How many snapshots of each camera are kept; the oldest go first."""


class SnapshotError(Exception):
    """A snapshot could not be kept; the message says why."""


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


class Signer:
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

    def __init__(self, folder: Path, signer: Signer) -> None:
        """Keep them in `folder`, which is made when the first one comes."""
        self._folder = folder
        self._signer = signer

    async def keep(self, camera: str, frame: Frame) -> Snapshot:
        """Write a frame to disk, off the loop, and forget the oldest of that camera beyond `KEPT`.

        Raises `SnapshotError` when the disk does not take it.
        """
        taken = datetime.fromtimestamp(frame.timestamp, UTC)
        identity = f"{camera}-{taken:%Y%m%dT%H%M%S}{taken.microsecond // 1000:03}Z-{secrets.token_hex(4)}"
        try:
            width, height = jpeg.size(frame.jpeg)
            await asyncio.to_thread(self._write, camera, identity, frame.jpeg)
        except (OSError, jpeg.JpegError) as error:
            raise SnapshotError(f"the snapshot could not be kept in {self._folder}: {error}") from error
        path = f"/snapshots/{identity}.jpg"
        signed = f"{path}?sig={self._signer.sign(path)}"
        return Snapshot(identity, camera, signed, frame.timestamp, width, height, len(frame.jpeg))

    def find(self, identity: str, signature: str) -> Path | None:
        """Return the file of a snapshot, or `None` when there is none or the signature is not its own."""
        if not _ID.fullmatch(identity) or not self._signer.is_signed(f"/snapshots/{identity}.jpg", signature):
            return None
        path = self._folder / f"{identity}.jpg"
        return path if path.is_file() else None

    def _write(self, camera: str, identity: str, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{identity}"
        unfinished.write_bytes(data)
        unfinished.rename(self._folder / f"{identity}.jpg")
        kept = sorted(path for path in self._folder.glob(f"{camera}-*.jpg") if _ID.fullmatch(path.stem))
        for path in kept[:-KEPT]:
            path.unlink(missing_ok=True)
