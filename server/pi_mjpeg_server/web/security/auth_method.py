"""The ways in which a request can show the access token."""

import base64
import binascii
from enum import Enum

BEARER_CHALLENGE = 'Bearer realm="pi-mjpeg"'
BASIC_CHALLENGE = 'Basic realm="pi-mjpeg", charset="UTF-8"'


class AuthMethod(Enum):
    """What authenticates a request. Only a Bearer header is never added by a browser on its own."""

    BEARER = "bearer"
    BASIC = "basic"
    COOKIE = "cookie"
    VIEW_TOKEN = "view token"  # noqa: S105  (the name of a method)
    NOT_NEEDED = "not needed"


def parse_authorization(header: str) -> tuple[AuthMethod, str] | None:
    """Return the kind of an Authorization header and its token, or None for another scheme.

    The token is the password of Basic (RFC 7617), with any user name, or the whole of Bearer (RFC 6750).
    """
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "basic":
            return AuthMethod.BASIC, _password(value)
        case "bearer":
            return AuthMethod.BEARER, value.strip()
        case _:
            return None


def _password(encoded: str) -> str:
    """Return the password of Basic credentials, or an empty string if they are malformed."""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
