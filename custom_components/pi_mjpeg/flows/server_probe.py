"""Asks a server who it is, with the errors that the config flow shows."""

import base64
from collections.abc import Sequence
from typing import Final

import voluptuous as vol
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from yarl import URL

from ..api.access import Access
from ..api.errors import (
    CannotConnectError,
    IncompatibleError,
    PiMjpegError,
    RefusedError,
    UnauthorisedError,
    UntrustedError,
)
from ..api.identity import new_nonce
from ..api.models import Server
from ..api.validators import base_url
from ..const import LOGGER, MAX_PREVIEW_BYTES

UNAUTHORISED: Final = "invalid_auth"
UNTRUSTED: Final = "untrusted"

_PREVIEW_WIDTH: Final = 320


class ProbeError(Exception):
    """The server cannot be added.

    `key` is the reason's key in the translations, `field` the form field that it is about. The message is for the log.
    """

    def __init__(self, key: str, message: str = "", field: str = "base") -> None:
        super().__init__(message or key)
        self.key = key
        self.field = field


def parse_url(typed: str) -> URL:
    """Return the address that a person typed, with http:// if they left that out. Raises `ProbeError`."""
    address = typed.strip()
    try:
        return base_url(address if "://" in address else f"http://{address}")
    except vol.Invalid as error:
        raise ProbeError("invalid_url", str(error), CONF_URL) from error


def shown_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint as OpenSSL prints it."""
    return bytes.fromhex(fingerprint).hex(":").upper()


async def async_fetch_server(hass: HomeAssistant, access: Access, node: str | None) -> Server:
    """Return the server's state. Raises `ProbeError`, also when it is not the server with the id `node`."""
    try:
        server = await access.client(hass).state()
    except PiMjpegError as error:
        LOGGER.debug("No pi-mjpeg server at %s: %s", access.url, error)
        raise _probe_error(error) from error
    if node not in (None, server.id):
        raise ProbeError("wrong_server")
    return server


async def async_first_answering(hass: HomeAssistant, urls: Sequence[URL], node: str) -> URL:
    """Return the first of a new server's addresses at which it answers, or the first of all if it does at none.

    Call it when a person has confirmed the addresses. No token is sent.
    """
    for url in urls:
        try:
            found = (await Access(url).client(hass).state()).id
        except UnauthorisedError:
            try:
                # With another client: one that was refused sends nothing more.
                found = (await Access(url).client(hass).identity(None, new_nonce())).id
            except PiMjpegError:
                # An older server does not tell. Its id is checked once there is a token.
                return url
        except UntrustedError:
            return url
        except PiMjpegError as error:
            LOGGER.debug("No pi-mjpeg server at %s: %s", url, error)
            continue
        if found == node:
            return url
    return urls[0]


async def async_fetch_fingerprint(hass: HomeAssistant, url: URL) -> str:
    """Return the fingerprint of the certificate at `url`, without sending a request. Raises `ProbeError`."""
    try:
        return await Access(url).client(hass).fingerprint()
    except PiMjpegError as error:
        raise _probe_error(error) from error


async def async_fetch_picture(hass: HomeAssistant, access: Access, server: Server) -> str:
    """Return a small picture of the first available camera as Markdown, or an empty string if there is none."""
    client = access.client(hass)
    for camera in server.cameras.values():
        if not camera.available:
            continue
        try:
            picture = await client.snapshot(camera.id, width=_PREVIEW_WIDTH)
        except PiMjpegError as error:
            LOGGER.debug("No picture of %s: %s", camera.name, error)
            return ""
        if len(picture) <= MAX_PREVIEW_BYTES:
            return f"![](data:image/jpeg;base64,{base64.b64encode(picture).decode()})"
    return ""


def _probe_error(error: PiMjpegError) -> ProbeError:
    match error:
        case CannotConnectError():
            return ProbeError("cannot_connect", str(error))
        case UntrustedError():
            return ProbeError(UNTRUSTED, str(error))
        case UnauthorisedError():
            return ProbeError(UNAUTHORISED, str(error), CONF_TOKEN)
        case RefusedError():
            return ProbeError("refused", str(error))
        case IncompatibleError():
            return ProbeError("incompatible", str(error))
    return ProbeError("invalid_response", str(error))
