"""The key by which this server proves that it is the one that was met before, at whatever address it is now.

A client asks once for a secret of its own (`secret_of`). Later it sends a nonce to an address, and the server there
answers with `proof`. The proof holds for the address at which the question arrived, so a server in between cannot pass
it on. Both are HMAC-SHA256 (RFC 2104). They are a contract with the Home Assistant component: `tests/contract`.
"""

import hashlib
import hmac
import logging
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

FILE_NAME = "identity.key"
"""The name of the file in the state folder."""
TOKEN_KEY_PURPOSE = "pi_mjpeg identity"  # noqa: S105  (a purpose, not a token)
"""What `AccessToken.key` derives a secret for, that every client with the token has already."""

_LOGGER = logging.getLogger(__name__)
_KEY_BYTES = 32
_MAX_FILE_BYTES = 1024
_FORMAT = re.compile(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}")


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """The 32 bytes from which the secrets of all clients are derived. A new object has random ones."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(_KEY_BYTES), repr=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the key from `path`, and make one if there is none.

        A damaged file is replaced, with a warning: clients then have to be told again which server is theirs. Raises
        `OSError`; `UnsafeFileError` is one, for a file that another user may have put there.
        """
        try:
            text = read_file(path, _MAX_FILE_BYTES, mode=0o600).decode().strip()
        except FileNotFoundError:
            text = None
        except ValueError:
            text = ""
        if text is not None:
            if _FORMAT.fullmatch(text):
                return cls(bytes.fromhex(text))
            _LOGGER.warning(
                "%s is damaged and replaced: when this server has another address, Home Assistant has to be told", path
            )
        made = cls()
        write_atomically(path, f"{made.key.hex()}\n".encode())
        return made

    def secret_of(self, key: str) -> bytes:
        """Return the secret (32 bytes) of the client with the id `key`, 16 hexadecimal digits."""
        return hmac.new(self.key, f"pi_mjpeg enrolment\n{key}".encode(), hashlib.sha256).digest()


def proof(secret: bytes, nonce: str, node: str, address: str) -> str:
    """Return the proof, in hexadecimal digits, that the server `node` knows `secret`.

    `nonce` is what the client sent. `address` is `HOST:PORT` of this end of the connection, IPv6 in brackets.
    """
    message = f"pi_mjpeg identity 1\n{nonce}\n{node}\n{address}"
    return hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()
