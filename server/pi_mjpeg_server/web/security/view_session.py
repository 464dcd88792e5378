"""What a stream was authenticated with, as a value that changes when it becomes void."""

from dataclasses import dataclass
from typing import Protocol

from pi_mjpeg_server.storage.view_tokens import ViewTokens


class Session(Protocol):
    """The credential of a stream."""

    @property
    def value(self) -> str:
        """Return a text that changes when the credential becomes void."""


@dataclass(frozen=True, slots=True)
class ViewSession:
    """The view token of one camera. It is void when it is revoked or replaced, or when the access token is rotated."""

    tokens: ViewTokens
    camera: str

    @property
    def value(self) -> str:
        """Return the digest of the token, or an empty text without one."""
        return self.tokens.digest(self.camera) or ""
