"""The access token: who knows it may watch and command, and every other secret of the server is derived from it."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

_TOKEN_BYTES = 24
_FORM = re.compile(r"[!-~]{16,128}")


class TokenError(Exception):
    """The token cannot be used; the message says what to do about it."""


class AccessToken:
    """The token in a file that only its owner can read (0600), made when there is none.

    A token that another process changes or rotates is taken over at the next look, so nobody has to restart anything.
    """

    def __init__(self, path: Path) -> None:
        """Read the token, or make one. Raises `TokenError` for a file that holds none, `OSError` when it is refused."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._value = ""
        if not path.exists():
            new_token(path)
        path.chmod(0o600)
        self._take(path.read_text(errors="replace"))

    @property
    def value(self) -> str:
        """Return the token as it is now."""
        try:
            facts = self._path.stat()
            if (facts.st_mtime_ns, facts.st_ino) != self._seen:
                self._seen = (facts.st_mtime_ns, facts.st_ino)
                self._take(self._path.read_text(errors="replace"))
        except (OSError, TokenError):
            # Half-written or gone: what was known goes on being good, and nothing else becomes so.
            return self._value
        return self._value

    def matches(self, given: str) -> bool:
        """Tell whether `given` is the token, in a time that says nothing about where they differ."""
        return hmac.compare_digest(self.value.encode(), given.encode(errors="replace"))

    def key(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose that tell nothing of the token, and change when it is rotated."""
        return hmac.new(self.value.encode(), purpose.encode(), hashlib.sha256).digest()

    def rotate(self) -> str:
        """Make a new token: the old one, all logins and all signed URLs end with it."""
        self._value = new_token(self._path)
        return self._value

    def _take(self, text: str) -> None:
        if not _FORM.fullmatch(text.strip()):
            raise TokenError(
                f"{self._path} holds no token of 16 to 128 printable characters: `pi-mjpeg token --rotate` makes one"
            )
        self._value = text.strip()


def new_token(path: Path) -> str:
    """Write a new token to `path`, whatever was there, and return it. Raises `OSError` when it is refused."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    value = secrets.token_urlsafe(_TOKEN_BYTES)
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{value}\n")
        if os.geteuid() == 0:
            # Root rotates the token of a service, whose own user has to read it.
            folder = path.parent.stat()
            os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
    unfinished.rename(path)
    return value
