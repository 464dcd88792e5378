"""Kept clips: the newest of all cameras in one folder, bounded in bytes, age and number; the oldest go first."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pi_mjpeg_server.storage.atomic_file import PREFIX
from pi_mjpeg_server.storage.clip import TRIGGERS, Clip, ClipError, NoRoomError, file_name, make_thumbnail
from pi_mjpeg_server.storage.clip_draft import ClipDraft, not_kept
from pi_mjpeg_server.storage.clip_file import read_parts
from pi_mjpeg_server.storage.clip_recovery import recovered_clips
from pi_mjpeg_server.storage.picture_ids import ID, new_id
from pi_mjpeg_server.storage.signed_urls import UrlSigner

_LOGGER = logging.getLogger(__name__)

KINDS = ("mjpeg", "bin", "jpg")
"""What can be had of a clip: its pictures at their own pace, its whole file, and a thumbnail."""

MAX_THUMBNAILS = 100
"""Thumbnails in memory, of 10 to 40 kB each. Others are made again from their clips."""

_CLOCK_TOLERANCE = 60
"""Seconds by which the clock may be corrected backwards before older clips count as from the future."""
_MIN_FREE = 16 * 1024 * 1024
_MIN_FREE_SHARE = 20
"""A clip leaves so many bytes free on its disk, or a twentieth of a small one: a full /run stops systemd."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """How much is kept. `max_age` is in seconds.

    Clips that the broker asked for take at most half of the bytes and the number, so whoever can write to the broker
    cannot push out all the others.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_age: float = 7 * 24 * 3600
    max_count: int = 100


class ClipStore:
    """The folder of kept clips. No other process may write there.

    The methods block on the disk: call them in a thread. Each may be called in any thread.
    """

    def __init__(
        self,
        folder: Path,
        signer: UrlSigner,
        limits: ClipLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep clips in `folder`, which is made with the first one; `clock` returns seconds since 1970."""
        self.folder = folder
        self._signer = signer
        self._limits = limits or ClipLimits()
        self._clock = clock
        self._lock = threading.RLock()
        self._kept: dict[str, Clip] | None = None
        self._drafts: dict[str, ClipDraft] = {}
        self._thumbnails: dict[str, bytes] = {}

    def load(self) -> None:
        """Read what is kept, once. A clip that a killed process left unfinished is kept as far as it is whole."""
        with self._lock:
            self._clips()

    def begin(self, camera: str, trigger: str, moment: float, taken: float) -> ClipDraft:
        """Return a new clip to write; `moment` (since 1970) and `taken` (monotonic) are when it was asked for.

        Raises `ClipError` when its file cannot be made.
        """
        self.load()
        identity = new_id(camera, moment)
        path = self.folder / f"{PREFIX}{file_name(identity, trigger)}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            raise not_kept(self.folder, error) from error
        draft = ClipDraft(self, path, identity, trigger, descriptor, moment, taken)
        with self._lock:
            self._drafts[identity] = draft
        return draft

    def expire(self) -> None:
        """Delete what is too old now. The methods that read do so too, but for days nobody may call one."""
        with self._lock:
            oldest = self._clock() - self._limits.max_age
            for clip in [clip for clip in self._clips().values() if clip.time < oldest]:
                self._delete(clip)

    def clips(self, camera: str | None = None) -> list[Clip]:
        """Return the kept clips of a camera, or of all, the newest first."""
        with self._lock:
            self.expire()
            order = self._age()
            found = [clip for clip in self._clips().values() if camera in {None, clip.camera}]
            return sorted(found, key=order, reverse=True)

    def latest(self, camera: str) -> Clip | None:
        """Return the newest kept clip of a camera, or None."""
        return next(iter(self.clips(camera)), None)

    def total_bytes(self) -> int:
        """Return the bytes that the clips take, those that are being written included."""
        with self._lock:
            return self._bytes(TRIGGERS)

    def path(self, identity: str, kind: str) -> str:
        """Return the signed URL path of a clip; `kind` is one of `KINDS`."""
        path = f"/clips/{identity}.{kind}"
        return f"{path}?sig={self._signer.sign(path)}"

    def is_signed(self, identity: str, kind: str, signature: str) -> bool:
        """Return whether `signature` is valid for the clip and kind now."""
        return bool(ID.fullmatch(identity)) and self._signer.verify(f"/clips/{identity}.{kind}", signature)

    def open(self, identity: str) -> BinaryIO | None:
        """Return the opened file of a clip, or None if there is none. Raises `ClipError` when it cannot be read."""
        with self._lock:
            self.expire()
            clip = self._clips().get(identity)
        if clip is None:
            return None
        try:
            return self._path(clip).open("rb")
        except FileNotFoundError:
            self._forget(clip.id)
            return None
        except OSError as error:
            raise ClipError(f"the clip cannot be read: {error.strerror or error}") from error

    def thumbnail(self, identity: str) -> bytes | None:
        """Return the thumbnail of a clip, a JPEG, or None if there is no such clip. Raises `ClipError`.

        It is made at the end of the recording, and here for a clip of an earlier process.
        """
        file = self.open(identity)
        if file is None:
            return None
        with file:
            if identity not in self._thumbnails:
                try:
                    thumbnail = make_thumbnail(file.fileno(), list(read_parts(file.fileno())))
                except OSError as error:
                    raise ClipError(f"the clip cannot be read: {error.strerror or error}") from error
                self._keep_thumbnail(identity, thumbnail)
                return thumbnail
            return self._thumbnails[identity]

    def delete(self, identity: str) -> None:
        """Delete a clip, if it is there."""
        with self._lock:
            if clip := self._clips().get(identity):
                self._delete(clip)

    def make_room(self, draft: ClipDraft, size: int) -> None:
        """Delete the oldest clips until so many bytes more fit (called by a draft).

        Raises `ClipError` when the disk is full; nothing is deleted then. Raises `NoRoomError` when the limits leave no
        room, whatever is deleted.
        """
        disk = os.statvfs(self.folder)
        free = disk.f_bavail * disk.f_frsize - size
        if free < min(_MIN_FREE, disk.f_blocks * disk.f_frsize // _MIN_FREE_SHARE):
            raise ClipError(f"the clip could not be kept in {self.folder}: the disk is full")
        with self._lock:
            for triggers, share in self._shares(draft.trigger):
                limit = self._limits.max_bytes // share
                written = sum(each.bytes for each in self._drafts.values() if each.trigger in triggers)
                if written + size > limit:
                    raise NoRoomError(f"clips may take {limit} bytes; max_bytes in [clips] is the limit")
                while self._bytes(triggers) + size > limit:
                    self._delete_oldest(triggers)
            draft.reserved = size

    def finished(self, draft: ClipDraft, clip: Clip, thumbnail: bytes) -> None:
        """Take the clip of a draft into the folder (called by the draft). Raises `OSError`."""
        with self._lock:
            draft.path.replace(self._path(clip))
            self._drafts.pop(clip.id, None)
            self._clips()[clip.id] = clip
            self._keep_thumbnail(clip.id, thumbnail)
            self._trim(clip.trigger)

    def discarded(self, draft: ClipDraft) -> None:
        """Forget a draft whose file is gone (called by the draft)."""
        with self._lock:
            self._drafts.pop(draft.id, None)

    def _clips(self) -> dict[str, Clip]:
        if self._kept is None:
            self._kept = {clip.id: clip for clip in recovered_clips(self.folder)}
            # The limits may have become smaller since they were recorded.
            self._trim("mqtt")
        return self._kept

    def _shares(self, trigger: str) -> list[tuple[Sequence[str], int]]:
        """Return the triggers that a clip of `trigger` shares room with, and by how much the limits are divided."""
        return [(("mqtt",), 2), (TRIGGERS, 1)] if trigger == "mqtt" else [(TRIGGERS, 1)]

    def _bytes(self, triggers: Sequence[str]) -> int:
        everything: list[Clip | ClipDraft] = [*self._clips().values(), *self._drafts.values()]
        return sum(each.bytes for each in everything if each.trigger in triggers)

    def _age(self) -> Callable[[Clip], tuple[bool, float]]:
        """Return a key that sorts clips by age, the oldest first; those from the future are older than the rest."""
        future = self._clock() + _CLOCK_TOLERANCE
        return lambda clip: (clip.time < future, clip.time)

    def _trim(self, trigger: str) -> None:
        """Delete what is too old, and the oldest of what shares room with a clip of `trigger` and is too much."""
        self.expire()
        for triggers, share in self._shares(trigger):
            clips = self._clips().values()
            while (count := sum(clip.trigger in triggers for clip in clips)) and (
                count > max(1, self._limits.max_count // share)
                or self._bytes(triggers) > self._limits.max_bytes // share
            ):
                self._delete_oldest(triggers)

    def _delete_oldest(self, triggers: Sequence[str]) -> None:
        self._delete(min((clip for clip in self._clips().values() if clip.trigger in triggers), key=self._age()))

    def _delete(self, clip: Clip) -> None:
        try:
            self._path(clip).unlink(missing_ok=True)
        except OSError as error:
            _LOGGER.warning("the old clip %s cannot be deleted: %s", clip.id, error)
        self._forget(clip.id)

    def _forget(self, identity: str) -> None:
        with self._lock:
            self._clips().pop(identity, None)
            self._thumbnails.pop(identity, None)

    def _keep_thumbnail(self, identity: str, thumbnail: bytes) -> None:
        with self._lock:
            if identity in self._clips():
                self._thumbnails[identity] = thumbnail
                if len(self._thumbnails) > MAX_THUMBNAILS:
                    del self._thumbnails[next(iter(self._thumbnails))]

    def _path(self, clip: Clip) -> Path:
        return self.folder / file_name(clip.id, clip.trigger)
