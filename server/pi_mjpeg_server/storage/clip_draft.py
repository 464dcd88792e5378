"""A clip that is being written."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.clip import Clip, ClipError, make_thumbnail, read_clip
from pi_mjpeg_server.storage.clip_file import ClipWriter

if TYPE_CHECKING:
    from pi_mjpeg_server.storage.clips import ClipStore


class ClipDraft:
    """A clip that is being written, under a temporary name until it is whole. Call its methods in a thread, in turn."""

    def __init__(
        self, store: "ClipStore", path: Path, identity: str, trigger: str, descriptor: int, moment: float, taken: float
    ) -> None:
        """Write to the open file at `path`."""
        self.path = path
        self.id = identity
        self.trigger = trigger
        self.reserved = 0
        self._store = store
        self._descriptor = descriptor
        self._moment = moment
        self._writer = ClipWriter(descriptor, moment, taken)

    @property
    def bytes(self) -> int:
        """The bytes that it has now, or will have after the present write."""
        return self._writer.bytes + self.reserved

    def write(self, frames: Sequence[Frame]) -> None:
        """Append frames. Raises `ClipError`, and `NoRoomError` when the limits leave no room for them."""
        try:
            self._store.make_room(self, ClipWriter.size(frames))
            self._writer.write(frames)
        except OSError as error:
            raise not_kept(self._store.folder, error) from error
        finally:
            self.reserved = 0

    def finish(self) -> Clip:
        """Keep the clip. Raises `ClipError` when that fails or it has no picture; no file stays behind then."""
        try:
            clip = read_clip(self.id, self.trigger, self._descriptor, self._writer.parts, self._moment)
            # In memory this does nothing. On a disk, a power cut would else leave a name without all of its content.
            os.fsync(self._descriptor)
            self._store.finished(self, clip, make_thumbnail(self._descriptor, self._writer.parts))
        except OSError as error:
            self.discard()
            raise not_kept(self._store.folder, error) from error
        except ClipError:
            self.discard()
            raise
        os.close(self._descriptor)
        return clip

    def discard(self) -> None:
        """Delete what is written."""
        os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self._store.discarded(self)


def not_kept(folder: Path, error: OSError) -> ClipError:
    """Return the error of a clip that cannot be written to this folder."""
    return ClipError(f"the clip could not be kept in {folder}: {error.strerror or error}")
