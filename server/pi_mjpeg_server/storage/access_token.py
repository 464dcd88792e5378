"""The access token: whoever has it may watch and command. The server derives its other secrets from it."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

_TOKEN_BYTES = 24
_FORMAT = re.compile(r"[!-~]{16,128}")
_MAX_BYTES = 4096


class TokenError(Exception):
    """The token file cannot be used; the message says what to do about it."""


class AccessToken:
    """The token in a file that only its owner can read (0600).

    When another process changes or rotates the token, the next access reads the new one: no restart is needed.
    """

    def __init__(self, path: Path) -> None:
        """Read the token from `path`; make one if there is no file.

        Raises `TokenError` when the file holds no token, and `OSError` when it cannot be read or written;
        `UnsafeFileError` is one, for a file that another user may have put there.
        """
        self._path = path
        self._version: tuple[int, int] | None = None
        self._value = ""
        try:
            self._value = self._read()
        except FileNotFoundError:
            new_token(path)
            self._value = self._read()

    @property
    def value(self) -> str:
        """Return the present token."""
        try:
            status = os.lstat(self._path)
            version = status.st_mtime_ns, status.st_ino
            if version != self._version:
                self._version = version
                self._value = self._read()
        except (OSError, TokenError):
            # The file is gone or half-written: the token that was read last stays valid, and no other becomes so.
            return self._value
        return self._value

    def matches(self, given: str) -> bool:
        """Return whether `given` is the token. The time it takes does not tell where they differ."""
        return hmac.compare_digest(self.value.encode(), given.encode(errors="replace"))

    def key(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for one purpose. It does not reveal the token, and changes when that is rotated."""
        return hmac.new(self.value.encode(), purpose.encode(), hashlib.sha256).digest()

    def rotate(self) -> str:
        """Replace the token by a new one and return it. The old token, all logins and all signed URLs are void."""
        self._value = new_token(self._path)
        return self._value

    def _read(self) -> str:
        """Return the token in the file, and let only its owner read it."""
        try:
            text = read_file(self._path, _MAX_BYTES, mode=0o600).decode(errors="replace").strip()
        except ValueError:
            text = ""
        if not _FORMAT.fullmatch(text):
            raise TokenError(
                f"{self._path} holds no token of 16 to 128 printable characters: `pi-mjpeg token --rotate` makes one"
            )
        return text


def new_token(path: Path) -> str:
    """Write a new token to `path`, in place of whatever was there, and return it. Raises `OSError`."""
    value = secrets.token_urlsafe(_TOKEN_BYTES)
    write_atomically(path, f"{value}\n".encode())
    return value
