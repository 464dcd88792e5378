"""Tokens that let others look at one camera and nothing else, for clients that can send nothing but a URL."""

import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

FILE_NAME = "view_tokens.json"
"""The name of the file in the state folder."""
KEY_PURPOSE = "pi_mjpeg view tokens"
"""What `AccessToken.key` derives the key for."""

_LOGGER = logging.getLogger(__name__)
_TOKEN_BYTES = 24
_MAX_BYTES = 1_000_000


class ViewTokens:
    """At most one token for each camera, by camera id. The file holds their keyed digests, from which nobody can view.

    The key changes when the access token is rotated, and then all view tokens are void. When another process changes
    the file, the next access reads it: no restart is needed. `make` and `revoke` block on the disk.
    """

    def __init__(self, path: Path, key: Callable[[], bytes]) -> None:
        """Keep the digests in `path`, which need not exist yet. `key` returns the present 32 bytes."""
        self._path = path
        self._key = key
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._digests: dict[str, str] = {}
        self._key_digest = ""

    def make(self, camera: str) -> str:
        """Return a new token for a camera; an earlier one of it is void. Raises `OSError` if it cannot be stored."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._lock:
            self._store({**self._valid(), camera: self._digest(camera, token)})
        return token

    def revoke(self, camera: str) -> bool:
        """Make the token of a camera void, and return whether there was one. Raises `OSError`."""
        with self._lock:
            digests = self._valid()
            if camera not in digests:
                return False
            self._store({other: digest for other, digest in digests.items() if other != camera})
        return True

    def digest(self, camera: str) -> str | None:
        """Return what changes when the token of a camera is made or becomes void, or None if it has no token."""
        return self._valid().get(camera)

    def matches(self, camera: str, given: str) -> bool:
        """Return whether `given` is the token of this camera. The time it takes does not tell where they differ."""
        expected = self.digest(camera)
        return expected is not None and hmac.compare_digest(expected, self._digest(camera, given))

    def _digest(self, camera: str, token: str) -> str:
        return hmac.new(self._key(), f"{camera}\n{token}".encode(errors="replace"), hashlib.sha256).hexdigest()

    def _valid(self) -> dict[str, str]:
        """Return the digests that were made with the present key."""
        self._read_if_changed()
        return self._digests if self._key_digest == self._digest("", "") else {}

    def _store(self, digests: dict[str, str]) -> None:
        stored = {"key": self._digest("", ""), "cameras": digests}
        write_atomically(self._path, json.dumps(stored, indent=2).encode())

    def _read_if_changed(self) -> None:
        try:
            status = os.lstat(self._path)
        except OSError:
            self._version, self._digests = None, {}
            return
        version = status.st_mtime_ns, status.st_ino
        if version == self._version:
            return
        self._version, self._digests = version, {}
        try:
            stored = json.loads(read_file(self._path, _MAX_BYTES, mode=0o600))
            cameras = dict(stored["cameras"])
            self._key_digest = str(stored["key"])
            self._digests = {camera: digest for camera, digest in cameras.items() if isinstance(digest, str)}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            _LOGGER.warning("%s cannot be read, so no view token is valid: %s", self._path, error)
