"""Sends requests to one server, and turns what goes wrong into a `PiMjpegError`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientError,
    ClientMiddlewareType,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    Fingerprint,
    ServerFingerprintMismatch,
    hdrs,
)
from homeassistant.const import __version__
from yarl import URL

from ..const import DOMAIN, MAX_MESSAGE_BYTES, MAX_PICTURE_BYTES
from .documents import DocumentError
from .errors import CannotConnectError, InvalidResponseError, UnauthorisedError, UntrustedError
from .responses import cause_of, certificate_problem, raise_for_status, read, read_picture

REQUEST_TIMEOUT: Final = ClientTimeout(total=9, sock_connect=5)
"""In seconds. Home Assistant allows 10 for a picture: the reason for a failure has to come before that."""

STREAM_TIMEOUT: Final = ClientTimeout(total=None, sock_connect=5, sock_read=10)
"""In seconds. A stream lasts as long as somebody watches, and a server is never silent for more than one."""

STILL_TIMEOUT: Final = ClientTimeout(total=90, sock_connect=5, sock_read=60)
"""In seconds. A full-size still waits for a camera that starts, is taken step by step, and has 40 MiB at most."""

_HEADERS: Final = {
    # JPEGs do not compress further, and a compressed body can expand to far more than was sent.
    hdrs.ACCEPT_ENCODING: "identity",
    hdrs.USER_AGENT: f"HomeAssistant/{__version__} {DOMAIN}",
}


class Transport:
    """The requests to one server. It does not close the session."""

    def __init__(
        self, session: ClientSession, token: str | None, fingerprint: str | None, timeouts: ClientTimeout
    ) -> None:
        """Send `token` with every request. `timeouts` are those of a request that has no others.

        Over https the certificate has to be the one with this SHA-256 `fingerprint`, in hexadecimal; nothing else of it
        is checked. Without a fingerprint, the session has to trust the certificate.
        """
        self._session = session
        self.timeouts = timeouts
        self._headers = {**_HEADERS, hdrs.AUTHORIZATION: f"Bearer {token}"} if token else _HEADERS
        self._certificate = Fingerprint(bytes.fromhex(fingerprint)) if fingerprint else True
        self._refused = False
        self.on_refused: Callable[[], None] | None = None
        """Called when the server does not take the token. It is not sent again then: every request fails at once."""

    async def document[T](
        self,
        method: str,
        url: URL,
        parse: Callable[[bytes], T],
        *,
        json: object = None,
        limit: int = MAX_MESSAGE_BYTES,
        timeouts: ClientTimeout | None = None,
    ) -> T:
        """Send a request, and return the document that answers it."""
        async with self.request(method, url, timeouts, json=json) as response:
            body = await read(response, limit)
        try:
            return await in_executor(parse, body) if limit > MAX_MESSAGE_BYTES else parse(body)
        except DocumentError as error:
            raise InvalidResponseError(f"the server's answer cannot be read: {error}") from error

    async def picture(self, url: URL) -> bytes:
        """Return the JPEG at `url`."""
        async with self.request(hdrs.METH_GET, url) as response:
            return await read_picture(response, MAX_PICTURE_BYTES)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        timeouts: ClientTimeout | None = None,
        json: object = None,
        certificate: Fingerprint | None = None,
        middlewares: tuple[ClientMiddlewareType, ...] = (),
    ) -> AsyncIterator[ClientResponse]:
        """Send a request, and turn every failure until the response is closed into a `PiMjpegError`."""
        if self._refused:
            # A server makes those wait who send wrong tokens. The right one comes with another client.
            raise UnauthorisedError("the server wants another token")
        try:
            # A redirect could lead to any address, and only this one was checked.
            async with self._session.request(
                method,
                url,
                headers=self._headers,
                json=json,
                timeout=timeouts or self.timeouts,
                allow_redirects=False,
                ssl=certificate or self._certificate,
                middlewares=middlewares,
            ) as response:
                await raise_for_status(response)
                yield response
        except UnauthorisedError:
            self._refused = True
            if self.on_refused is not None:
                self.on_refused()
            raise
        except ServerFingerprintMismatch as error:
            raise UntrustedError(
                "the server shows another certificate than the one that was accepted", error.got.hex()
            ) from error
        except ClientConnectorCertificateError as error:
            raise UntrustedError(f"the server's certificate is not trusted: {certificate_problem(error)}") from error
        except TimeoutError as error:
            raise CannotConnectError(f"{url.origin()} took too long to answer") from error
        except (ClientError, OSError) as error:
            raise CannotConnectError(f"{url.origin()} cannot be reached: {cause_of(error)}") from error


async def in_executor[T](parse: Callable[[bytes], T], body: bytes) -> T:
    """Parse a document that may be large outside of the event loop, which it could hold up for 15 ms."""
    return await asyncio.get_running_loop().run_in_executor(None, parse, body)
