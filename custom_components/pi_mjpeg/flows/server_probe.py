"""Asks a server who it is, in the words of the dialogs that add one."""

import base64
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
from ..api.models import Server
from ..api.validators import base_url
from ..const import LOGGER, MAX_PREVIEW_BYTES

UNAUTHORISED: Final = "invalid_auth"
UNTRUSTED: Final = "untrusted"

_PREVIEW_WIDTH: Final = 320


class ProbeError(Exception):
    """A server that cannot be added as things are.

    `key` names the reason in the translations, `field` the field that it is about; the message is for the log.
    """

    def __init__(self, key: str, message: str = "", field: str = "base") -> None:
        super().__init__(message or key)
        self.key = key
        self.field = field


def url_of(typed: str) -> URL:
    """Return the address that a person meant. Raises `ProbeError`."""
    address = typed.strip()
    try:
        return base_url(address if "://" in address else f"http://{address}")
    except vol.Invalid as error:
        raise ProbeError("invalid_url", str(error), CONF_URL) from error


async def server_at(hass: HomeAssistant, access: Access, node: str | None) -> Server:
    """Ask a server who it is; `node` is who it has to be. Raises `ProbeError`."""
    try:
        server = await access.client(hass).state()
    except PiMjpegError as error:
        LOGGER.debug("No pi-mjpeg server at %s: %s", access.url, error)
        raise _translated(error) from error
    if node not in (None, server.id):
        raise ProbeError("wrong_server")
    return server


async def fingerprint_at(hass: HomeAssistant, url: URL) -> str:
    """Return the fingerprint of the certificate that is shown at `url`, which is sent nothing. Raises `ProbeError`."""
    try:
        return await Access(url).client(hass).fingerprint()
    except PiMjpegError as error:
        raise _translated(error) from error


async def picture_of(hass: HomeAssistant, access: Access, server: Server) -> str:
    """Return a small picture as Markdown, from a camera that gives one; an empty text when none does."""
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


def _translated(error: PiMjpegError) -> ProbeError:
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
