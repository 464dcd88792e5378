"""The server's HTTP interface, typed. Nothing that a server answers is trusted before it is validated."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    Fingerprint,
    ServerFingerprintMismatch,
    hdrs,
)
from homeassistant.const import __version__
from yarl import URL

from ..const import DOMAIN, MAX_MESSAGE_BYTES, MAX_PICTURE_BYTES, MAX_STATE_BYTES
from .documents import DocumentError, UnknownSchemaError, parse_controls, parse_error, parse_snapshot, parse_state
from .errors import (
    CannotConnectError,
    IncompatibleError,
    InvalidResponseError,
    RefusedError,
    UnauthorisedError,
    UntrustedError,
)
from .frame import Frame
from .models import Control, ControlValue, Server, Snapshot
from .multipart import MultipartError, MultipartParser, Part, boundary_of

REQUEST_TIMEOUT: Final = ClientTimeout(total=9, sock_connect=5)
"""In seconds. Home Assistant gives a picture 10: the reason for a failure has to come before that."""

STREAM_TIMEOUT: Final = ClientTimeout(total=None, sock_connect=5, sock_read=10)
"""A stream lasts for as long as somebody watches, and a server is never silent for more than a second."""

_HEADERS: Final = {
    # Compression gains nothing on JPEGs, and a compressed body can be far larger than what was sent.
    hdrs.ACCEPT_ENCODING: "identity",
    hdrs.USER_AGENT: f"HomeAssistant/{__version__} {DOMAIN}",
}
_NOBODYS: Final = Fingerprint(bytes(32))
"""The fingerprint of no certificate."""

_JPEG_START: Final = b"\xff\xd8"
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}", re.ASCII)


class PiMjpegClient:
    """One server. The session is its owner's to close."""

    def __init__(
        self,
        session: ClientSession,
        base_url: URL,
        token: str | None = None,
        fingerprint: str | None = None,
        *,
        limits: ClientTimeout = REQUEST_TIMEOUT,
    ) -> None:
        """Ask the server at `base_url`, and show it `token` every time; `limits` hold for everything but streams.

        Over https its certificate has to be the one with this SHA-256 `fingerprint`, in hexadecimal, whatever else is
        wrong with it; without one, the certificate has to be one that the session trusts.
        """
        self._session = session
        self._limits = limits
        self._token = token
        self._headers = {**_HEADERS, hdrs.AUTHORIZATION: f"Bearer {token}"} if token else _HEADERS
        self._certificate = Fingerprint(bytes.fromhex(fingerprint)) if fingerprint else True
        self.base_url = base_url
        self.clock_offset: float | None = None
        """Seconds by which the server's clock was ahead of ours at its last `state`; None if it did not say."""

    def stream_url(self, camera_id: str) -> URL:
        """Return where a camera's stream is."""
        return self.base_url / "cameras" / camera_id / "stream"

    def stream_source(self, camera_id: str) -> URL:
        """Return the same for programs that take only a URL: with the token as a password. Not for any log."""
        url = self.stream_url(camera_id)
        return url.with_user(DOMAIN).with_password(self._token) if self._token else url

    async def fingerprint(self) -> str:
        """Return the SHA-256 fingerprint of the certificate that the server shows, in hexadecimal.

        The server is sent nothing. Raises `PiMjpegError`, as all requests do.
        """
        try:
            async with self._request(hdrs.METH_HEAD, self.base_url, certificate=_NOBODYS):
                raise InvalidResponseError("the server shows no certificate")
        except UntrustedError as error:
            return error.fingerprint

    async def state(self) -> Server:
        """Ask for the server's state. Raises `PiMjpegError`, as all requests do."""
        async with self._request(hdrs.METH_GET, self.base_url / "api/state") as response:
            body = await _read(response, MAX_STATE_BYTES)
        self.clock_offset = _clock_offset(response.headers.get(hdrs.DATE))
        try:
            return parse_state(body)
        except UnknownSchemaError as error:
            raise IncompatibleError(error.schema) from error
        except DocumentError as error:
            raise InvalidResponseError(f"the server's state cannot be read: {error}") from error

    async def snapshot(
        self,
        camera_id: str,
        *,
        width: int | None = None,
        height: int | None = None,
        max_age: int | None = None,
    ) -> bytes:
        """Return a JPEG that was captured after the request, or at most `max_age` milliseconds before it."""
        wanted = {"width": width, "height": height, "max_age": max_age}
        query = {name: value for name, value in wanted.items() if value is not None}
        url = (self.base_url / "cameras" / camera_id / "snapshot.jpg").with_query(query)
        return await self._picture(url)

    async def take_snapshot(self, camera_id: str) -> Snapshot:
        """Have the server take a picture and keep it."""
        url = self.base_url / "api/cameras" / camera_id / "snapshots"
        async with self._request(hdrs.METH_POST, url) as response:
            body = await _read(response, MAX_MESSAGE_BYTES)
        try:
            return parse_snapshot(body, numbered=False)
        except DocumentError as error:
            raise InvalidResponseError(f"the server's answer cannot be read: {error}") from error

    async def set_control(self, camera_id: str, name: str, value: ControlValue) -> Mapping[str, Control]:
        """Adjust a camera while it runs, and return how all its controls are then."""
        url = self.base_url / "api/cameras" / camera_id / "controls"
        async with self._request(hdrs.METH_PATCH, url, json={name: value}) as response:
            body = await _read(response, MAX_STATE_BYTES)
        try:
            return parse_controls(body)
        except DocumentError as error:
            raise InvalidResponseError(f"the server's answer cannot be read: {error}") from error

    async def restart(self, camera_id: str) -> None:
        """Have the server start a camera again; returns before it has."""
        async with self._request(hdrs.METH_POST, self.base_url / "api/cameras" / camera_id / "restart"):
            pass

    async def kept_snapshot(self, snapshot: Snapshot) -> bytes:
        """Return the JPEG of a snapshot that the server keeps.

        Only the signature is taken from the snapshot's URL: the request goes to this server whatever host is named.
        """
        url = self.base_url / "snapshots" / f"{snapshot.id}.jpg"
        return await self._picture(url.with_query(sig=snapshot.url.query.get("sig", "")))

    async def stream(self, camera_id: str, *, fps: float | None = None) -> AsyncGenerator[Frame]:
        """Open a camera's stream and give its frames, at most `fps` a second, until the server ends it.

        Close it with `contextlib.aclosing`.
        """
        url = self.stream_url(camera_id)
        if fps is not None:
            url = url.with_query(fps=f"{fps:g}")
        async with self._request(hdrs.METH_GET, url, STREAM_TIMEOUT) as response:
            try:
                boundary = boundary_of(response.headers.get(hdrs.CONTENT_TYPE, ""))
                parser = MultipartParser(boundary, max_part=MAX_PICTURE_BYTES)
                async for chunk in response.content.iter_any():
                    for part in parser.feed(chunk):
                        yield _frame(part)
                    # Without this, a server that fills the socket faster than it is emptied would hold the event loop.
                    await asyncio.sleep(0)
            except MultipartError as error:
                raise InvalidResponseError(f"the stream cannot be read: {error}") from error

    async def _picture(self, url: URL) -> bytes:
        async with self._request(hdrs.METH_GET, url) as response:
            body = await _read(response, MAX_PICTURE_BYTES)
        if not body.startswith(_JPEG_START):
            raise InvalidResponseError("the server sent something that is no JPEG")
        return body

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: URL,
        limits: ClientTimeout | None = None,
        json: object = None,
        certificate: Fingerprint | None = None,
    ) -> AsyncIterator[ClientResponse]:
        """Open a request, and translate whatever goes wrong until it is closed."""
        try:
            # A redirect could lead anywhere, past the checks that this address went through.
            async with self._session.request(
                method,
                url,
                headers=self._headers,
                json=json,
                timeout=limits or self._limits,
                allow_redirects=False,
                ssl=certificate or self._certificate,
            ) as response:
                await _raise_for_status(response)
                yield response
        except ServerFingerprintMismatch as error:
            raise UntrustedError(
                "the server shows another certificate than the one that was accepted", error.got.hex()
            ) from error
        except ClientConnectorCertificateError as error:
            raise UntrustedError(f"the server's certificate is not trusted: {_flaw(error)}") from error
        except TimeoutError as error:
            raise CannotConnectError(f"{url.origin()} took too long to answer") from error
        except (ClientError, OSError) as error:
            raise CannotConnectError(f"{url.origin()} cannot be reached: {_cause(error)}") from error


def _cause(error: Exception) -> Exception:
    """Return what aiohttp wraps in words of its own, which name its objects."""
    return error.os_error if isinstance(error, ClientConnectorError) else error


def _flaw(error: ClientConnectorCertificateError) -> str:
    """Return what is wrong with a certificate, in OpenSSL's words."""
    return str(getattr(error.certificate_error, "verify_message", error.certificate_error))


async def _raise_for_status(response: ClientResponse) -> None:
    if response.status in {200, 201, 204}:
        return
    if response.status == 401:  # noqa: PLR2004 - a name would say no more than the number of RFC 9110
        raise UnauthorisedError("the server wants another token")
    if response.status < 400:  # noqa: PLR2004 - likewise
        raise InvalidResponseError(f"the server answered with status {response.status}")
    try:
        refusal = parse_error(await _read(response, MAX_MESSAGE_BYTES))
    except DocumentError:
        raise InvalidResponseError(f"the server answered with status {response.status}") from None
    raise RefusedError(refusal.code, refusal.message)


def _clock_offset(date: str | None) -> float | None:
    """Read the header of RFC 9110, section 6.6.1, which has no fractions of a second."""
    try:
        return parsedate_to_datetime(date or "").timestamp() - time.time()
    except ValueError:
        return None


async def _read(response: ClientResponse, limit: int) -> bytes:
    """Return the whole body, but never more than `limit` bytes of it."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise InvalidResponseError(f"the server's answer is larger than {limit} bytes")
    return bytes(body)


def _frame(part: Part) -> Frame:
    if not part.body.startswith(_JPEG_START):
        raise InvalidResponseError("a part of the stream is no JPEG")
    timestamp = part.headers.get("x-timestamp", "")
    return Frame(
        jpeg=part.body,
        received=time.monotonic(),
        # It goes into the headers of our own parts, hence only if it is a number.
        timestamp=timestamp if _TIMESTAMP.fullmatch(timestamp) else None,
        drawn=part.headers.get("x-picture") == "drawn",
    )
