"""Signed URLs: whoever has one may fetch what it names, and nothing else."""

import base64
import hashlib
import hmac
from collections.abc import Callable

KEY_PURPOSE = "pi_mjpeg snapshots"
"""What `AccessToken.key` derives the signing key for. Another text would void every signed URL."""


class UrlSigner:
    """Signs URL paths. A signature is valid for one path and until the key changes."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        """Call `key` for each signature: it returns the present 32 bytes, which change when the token is rotated."""
        self._key = key

    def sign(self, path: str) -> str:
        """Return the signature of `path`: HMAC-SHA256 in URL-safe base64, without padding."""
        digest = hmac.new(self._key(), path.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def verify(self, path: str, signature: str) -> bool:
        """Return whether `signature` is that of `path`. The time it takes does not tell where they differ."""
        return hmac.compare_digest(self.sign(path).encode(), signature.encode(errors="replace"))
