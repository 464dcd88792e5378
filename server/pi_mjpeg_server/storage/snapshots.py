"""Kept snapshots: the newest few of each camera on disk, each under a signed URL that is valid for it alone."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.atomic_file import remove_unfinished, write_atomically
from pi_mjpeg_server.storage.picture_ids import ID, new_id, time_in_id, time_of_id
from pi_mjpeg_server.storage.signed_urls import UrlSigner

_LOGGER = logging.getLogger(__name__)

_MTIME_RESOLUTION = 2.0
"""Seconds in which two changes of a folder may leave the same modification time (FAT; far less elsewhere)."""

_CLOCK_TOLERANCE = 60
"""Seconds by which the clock may be corrected backwards before older snapshots count as from the future."""

MAX_PER_CAMERA = 20
"""How many snapshots of each camera are kept for each trigger; the oldest are deleted first."""

_SHARES = {"http": ".", "mqtt": "mqtt"}
"""The folder of each trigger. Whoever can write to the broker cannot push out what somebody with the token has kept."""


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


@dataclass(frozen=True, slots=True)
class _Kept:
    """What does not change about a snapshot on the disk."""

    id: str
    trigger: str
    time: float
    size: tuple[int, int]
    bytes: int


class SnapshotStore:
    """The folder of kept snapshots."""

    def __init__(self, folder: Path, signer: UrlSigner) -> None:
        """Keep snapshots in `folder`, which is made with the first one. No other process may write there."""
        self._folder = folder
        self._signer = signer
        self._lock = threading.Lock()
        self._latest: dict[str, _Kept | None] = {}
        self._latest_version: tuple[int, ...] | None = None
        self._latest_lock = threading.Lock()
        self._listed: dict[str, dict[str, _Kept]] = {}
        self._list_lock = threading.Lock()

    async def save(self, camera: str, frame: Frame, trigger: str) -> Snapshot:
        """Write a frame to disk, off the event loop, and delete the oldest of camera and trigger over `MAX_PER_CAMERA`.

        Raises `SnapshotError` when it cannot be written, and `CameraUnavailableError` when the frame is damaged.
        """
        identity = new_id(camera, frame.timestamp)
        try:
            size = jpeg.upright_size(frame.jpeg)
            await asyncio.to_thread(self._write, self._folder / _SHARES[trigger], camera, identity, frame)
        except jpeg.JpegError as error:
            raise CameraUnavailableError(f"the picture is damaged: {error}") from error
        except OSError as error:
            raise SnapshotError(f"the snapshot could not be kept in {self._folder}: {error}") from error
        return self._signed(camera, _Kept(identity, trigger, frame.timestamp, size, len(frame.jpeg)))

    def latest(self, camera: str) -> Snapshot | None:
        """Return the newest snapshot of a camera that is on the disk, or None. Blocks on the disk: call it in a thread.

        Its picture is not decoded, and the folders are listed only after something in them has changed.
        """
        kept = self._latest_kept(camera)
        return None if kept is None else self._signed(camera, kept)

    def snapshots(self, camera: str) -> list[Snapshot]:
        """Return the snapshots of a camera that can be read, the newest first. Blocks on the disk: call it in a thread.

        Each file is read once.
        """
        with self._list_lock:
            known = self._listed.get(camera, {})
            found = [known.get(path.stem) or _read(path, trigger) for path, trigger in self._newest_first(camera)]
            kept = [each for each in found if each is not None]
            self._listed[camera] = {each.id: each for each in kept}
        return [self._signed(camera, each) for each in kept]

    async def last(self, camera: str) -> tuple[Snapshot, str] | None:
        """Return the newest snapshot of a camera that can be read, and its trigger, or None if there is none."""
        kept = await asyncio.to_thread(self._latest_kept, camera)
        return None if kept is None else (self._signed(camera, kept), kept.trigger)

    async def open(self, identity: str, signature: str) -> BinaryIO | None:
        """Return the opened file of a snapshot, or None if there is none or the signature is not valid for it.

        Raises `SnapshotError` when the file exists and cannot be read.
        """
        if not ID.fullmatch(identity) or not self._signer.verify(f"/snapshots/{identity}.jpg", signature):
            return None
        try:
            return await asyncio.to_thread(self._open, identity)
        except OSError as error:
            raise SnapshotError(f"the snapshot cannot be read: {error.strerror}") from error

    def _signed(self, camera: str, kept: _Kept) -> Snapshot:
        path = f"/snapshots/{kept.id}.jpg"
        signed = f"{path}?sig={self._signer.sign(path)}"
        width, height = kept.size
        return Snapshot(kept.id, camera, signed, kept.time, width, height, kept.bytes)

    def _open(self, identity: str) -> BinaryIO | None:
        for share in _SHARES.values():
            with contextlib.suppress(FileNotFoundError):
                return (self._folder / share / f"{identity}.jpg").open("rb")
        return None

    def _latest_kept(self, camera: str) -> _Kept | None:
        with self._latest_lock:
            times = []
            for share in _SHARES.values():
                with contextlib.suppress(OSError):
                    times.append((self._folder / share).stat().st_mtime_ns)
            if not times:
                return None
            changed = tuple(times)
            # A change that follows soon may leave the same time.
            is_settled = max(changed) / 1e9 + _MTIME_RESOLUTION < time.time()
            if not is_settled or changed != self._latest_version:
                self._latest.clear()
                self._latest_version = changed if is_settled else None
            if camera not in self._latest:
                self._latest[camera] = self._read_latest(camera)
            return self._latest[camera]

    def _read_latest(self, camera: str) -> _Kept | None:
        return next((kept for found in self._newest_first(camera) if (kept := _read(*found)) is not None), None)

    def _newest_first(self, camera: str) -> list[tuple[Path, str]]:
        """Return the files of a camera, and the trigger of each."""
        found = [(path, trigger) for trigger, share in _SHARES.items() for path in self._paths(camera, share)]
        order = _oldest_first(camera, time.time())
        return sorted(found, key=lambda each: order(each[0]), reverse=True)

    def _write(self, share: Path, camera: str, identity: str, frame: Frame) -> None:
        with self._lock:
            remove_unfinished(share)
            # No fsync: on an SD card it can take longer than everything else that a snapshot needs, and it also waits
            # for what other programs have written. A power cut loses at most the pictures of the last half minute.
            write_atomically(share / f"{identity}.jpg", frame.jpeg, sync=False)
            self._delete_oldest(share, camera, identity, frame.timestamp)

    def _delete_oldest(self, share: Path, camera: str, newest: str, now: float) -> None:
        others = [path for path in self._paths(camera, share) if path.stem != newest]
        others.sort(key=_oldest_first(camera, now))
        try:
            for path in others[: max(0, len(others) + 1 - MAX_PER_CAMERA)]:
                path.unlink(missing_ok=True)
        except OSError as error:
            _LOGGER.warning("old snapshots of %s cannot be deleted: %s", camera, error)

    def _paths(self, camera: str, share: Path | str) -> list[Path]:
        return [path for path in (self._folder / share).glob(f"{camera}-*.jpg") if ID.fullmatch(path.stem)]


def _read(path: Path, trigger: str) -> _Kept | None:
    """Return what there is to know of a file, or None if it was deleted meanwhile, or was cut off by a power cut."""
    try:
        data = path.read_bytes()
        if not data.rstrip(b"\0").endswith(jpeg.EOI):
            return None
        return _Kept(path.stem, trigger, time_of_id(path.stem), jpeg.upright_size(data), len(data))
    except (OSError, ValueError):
        return None


def _oldest_first(camera: str, now: float) -> Callable[[Path], tuple[bool, str]]:
    """Return a key that sorts the snapshots of a camera by their age, the oldest first.

    A Pi has no battery-backed clock: a snapshot from the future was taken before the clock was set back, so it is older
    than the rest.
    """
    future = f"{camera}-{time_in_id(now + _CLOCK_TOLERANCE)}"
    return lambda path: (path.stem < future, path.stem)
