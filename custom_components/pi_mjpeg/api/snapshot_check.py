"""Finds out whether a server keeps a snapshot that somebody named over MQTT."""

import asyncio
from collections.abc import Callable
from typing import Final

from .client import PiMjpegClient
from .errors import PiMjpegError, RefusedError
from .models import Snapshot

_PAUSE: Final = 1.0
"""Seconds between two checks of one camera. Of what is named in the meantime, the last counts."""


class SnapshotCheck:
    """Fetches the pictures of snapshots, for servers whose state does not tell which they keep."""

    def __init__(
        self,
        client: PiMjpegClient,
        on_kept: Callable[[str, Snapshot], None],
        on_gone: Callable[[str, Snapshot], None],
        *,
        pause: float = _PAUSE,
    ) -> None:
        """Call `on_kept` or `on_gone` with the id of the camera and the snapshot."""
        self._client = client
        self._on_kept = on_kept
        self._on_gone = on_gone
        self._pause = pause
        self._named: dict[str, Snapshot] = {}
        self._checking: set[str] = set()

    async def check(self, camera_id: str, snapshot: Snapshot) -> None:
        """Check this snapshot of a camera soon. A picture that cannot be fetched says nothing."""
        self._named[camera_id] = snapshot
        if camera_id in self._checking:
            return
        self._checking.add(camera_id)
        try:
            while (named := self._named.pop(camera_id, None)) is not None:
                await self._check(camera_id, named)
                await asyncio.sleep(self._pause)
        finally:
            self._checking.discard(camera_id)

    async def _check(self, camera_id: str, snapshot: Snapshot) -> None:
        try:
            await self._client.kept.snapshot(snapshot)
        except RefusedError:
            self._on_gone(camera_id, snapshot)
        except PiMjpegError:
            pass
        else:
            self._on_kept(camera_id, snapshot)
