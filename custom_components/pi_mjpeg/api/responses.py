"""Reads the answers of a server within limits, and says why one cannot be used."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
)
from aiohttp.connector import Connection

from ..const import MAX_MESSAGE_BYTES
from . import jpeg
from .documents import DocumentError, parse_error
from .errors import InvalidResponseError, RefusedError, UnauthorisedError
from .frame import Frame
from .multipart import Part

_GAP: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}", re.ASCII)


class ResponseWithPeer(ClientResponse):
    """A response that knows the address of the other end, as asyncio's `peername`."""

    peername: tuple[Any, ...] | None = None

    async def start(self, connection: Connection) -> ClientResponse:
        """Note the address: the connection is given back as soon as the body has come."""
        if connection.transport is not None:
            self.peername = connection.transport.get_extra_info("peername")
        return await super().start(connection)


async def remember_peer(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Have the response be a `ResponseWithPeer`: a middleware of aiohttp's client."""
    request.response_class = ResponseWithPeer
    return await send(request)


async def read(response: ClientResponse, limit: int) -> bytes:
    """Return the whole body. Raises `InvalidResponseError` when it is larger than `limit` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise InvalidResponseError(f"the server's answer is larger than {limit} bytes")
    return bytes(body)


async def raise_for_status(response: ClientResponse) -> None:
    """Raise `PiMjpegError` if the server refused the request or did not understand it."""
    if response.status in {200, 201, 204}:
        return
    if response.status == 401:  # noqa: PLR2004 - a name would say no more than the number of RFC 9110
        raise UnauthorisedError("the server wants another token")
    if response.status < 400:  # noqa: PLR2004 - likewise
        raise InvalidResponseError(f"the server answered with status {response.status}")
    try:
        refusal = parse_error(await read(response, MAX_MESSAGE_BYTES))
    except DocumentError:
        raise InvalidResponseError(f"the server answered with status {response.status}") from None
    raise RefusedError(refusal.code, refusal.message)


def clock_offset(date: str | None) -> float | None:
    """Return the seconds that a `Date` header is ahead of our clock. RFC 9110, section 6.6.1: it has whole seconds."""
    try:
        return parsedate_to_datetime(date or "").timestamp() - time.time()
    except ValueError:
        return None


def gap_of(header: str | None) -> float | None:
    """Return the seconds in an `X-Gap` header, or None if there is none or it is not valid."""
    return float(header) if header is not None and _GAP.fullmatch(header) else None


def cause_of(error: Exception) -> Exception:
    """Return the error of the system, without aiohttp's text around it, which names objects of aiohttp."""
    return error.os_error if isinstance(error, ClientConnectorError) else error


def certificate_problem(error: ClientConnectorCertificateError) -> str:
    """Return OpenSSL's description of what is wrong with a certificate."""
    return str(getattr(error.certificate_error, "verify_message", error.certificate_error))


def check_picture(picture: bytes, what: str) -> None:
    """Refuse what no camera sends. Home Assistant decodes pictures too, for thumbnails."""
    try:
        jpeg.check(picture)
    except jpeg.JpegError as error:
        raise InvalidResponseError(f"{what}: {error}") from error


async def read_picture(response: ClientResponse, limit: int) -> bytes:
    """Return the JPEG in the body. Raises `InvalidResponseError` for none, a huge one, or over `limit` bytes."""
    picture = await read(response, limit)
    check_picture(picture, "the server sent a picture that is refused")
    return picture


def frame_of(part: Part) -> Frame:
    """Return the frame in a part of a stream. Raises `InvalidResponseError` for a picture that no camera sends."""
    check_picture(part.body, "a picture of the stream is refused")
    timestamp = part.headers.get("x-timestamp", "")
    return Frame(
        jpeg=part.body,
        received=time.monotonic(),
        # It is copied into the headers of our own parts, so it has to be a number.
        timestamp=timestamp if _TIMESTAMP.fullmatch(timestamp) else None,
        drawn=part.headers.get("x-picture") == "drawn",
    )
