"""A typed client of the server's HTTP API. Every answer is validated before it is used."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Final

from aiohttp import (
    ClientSession,
    ClientTimeout,
    Fingerprint,
    hdrs,
)
from yarl import URL

from ..const import DOMAIN, KIB, MAX_MESSAGE_BYTES, MAX_PICTURE_BYTES, MAX_STATE_BYTES, MAX_STILL_BYTES
from .documents import (
    DocumentError,
    UnknownSchemaError,
    parse_changed_motion,
    parse_controls,
    parse_enabled,
    parse_enrolment,
    parse_full_snapshot,
    parse_identity,
    parse_snapshot,
    parse_state,
)
from .errors import (
    CannotConnectError,
    IncompatibleError,
    InvalidResponseError,
    UntrustedError,
)
from .frame import Frame
from .identity import Answer, Identity, address_of
from .kept_files import KeptFiles
from .models import Control, ControlValue, Motion, Server, Snapshot
from .multipart import MultipartError, MultipartParser, boundary_of
from .rate_limit import RateLimit
from .responses import (
    ResponseWithPeer,
    clock_offset,
    frame_of,
    gap_of,
    read,
    read_picture,
    remember_peer,
)
from .server_sent_events import EventStreamError, EventStreamParser, ServerSentEvent
from .transport import REQUEST_TIMEOUT, STILL_TIMEOUT, STREAM_TIMEOUT, Transport, in_executor

FOCUS_TIMEOUT: Final = 40.0
"""Seconds for starting the camera, which takes a Pi Zero 2 up to 20, and for the lens to find its place."""
EVENTS_TIMEOUT: Final = ClientTimeout(total=None, sock_connect=5, sock_read=25)
"""In seconds. A server that has nothing to say sends a comment every 15 s."""

MAX_EVENT_RATE: Final = 500
MAX_EVENT_BYTES_RATE: Final = 1024 * KIB
"""Events and their bytes a second. A server with 16 cameras tells some 100 of 2 KiB at once, and then 20 a second."""

MAX_FRAME_RATE: Final = 240
"""Pictures a second. The fastest camera for a Raspberry Pi gives some 200."""

_NO_CERTIFICATE: Final = Fingerprint(bytes(32))
"""A fingerprint that no certificate has."""


class PiMjpegClient:
    """A client of one server. It does not close the session."""

    def __init__(
        self,
        session: ClientSession,
        base_url: URL,
        token: str | None = None,
        fingerprint: str | None = None,
        *,
        timeouts: ClientTimeout = REQUEST_TIMEOUT,
    ) -> None:
        """Send `token` with every request to the server at `base_url`. `timeouts` apply to all requests but streams.

        Over https the certificate has to be the one with this SHA-256 `fingerprint`, in hexadecimal; nothing else of it
        is checked. Without a fingerprint, the session has to trust the certificate.
        """
        self._token = token
        self.transport = Transport(session, token, fingerprint, timeouts)
        self.base_url = base_url
        self.kept = KeptFiles(self.transport, base_url)
        self.clock_offset: float | None = None
        """Seconds by which the server's clock was ahead of ours at the last `state`, or None if it sent no time."""

    def stream_url(self, camera_id: str) -> URL:
        """Return the URL of a camera's stream."""
        return self.base_url / "cameras" / camera_id / "stream"

    def stream_source(self, camera_id: str) -> URL:
        """Return the stream's URL with the token as a password, for programs that take only a URL. Never log it."""
        url = self.stream_url(camera_id)
        return url.with_user(DOMAIN).with_password(self._token) if self._token else url

    async def fingerprint(self) -> str:
        """Return the SHA-256 fingerprint of the server's certificate, in hexadecimal, without sending a request.

        Raises `PiMjpegError`, as all requests do.
        """
        try:
            async with self.transport.request(hdrs.METH_HEAD, self.base_url, certificate=_NO_CERTIFICATE):
                raise InvalidResponseError("the server shows no certificate")
        except UntrustedError as error:
            return error.fingerprint

    async def state(self) -> Server:
        """Return the server's state. Raises `PiMjpegError`, as all requests do."""
        async with self.transport.request(hdrs.METH_GET, self.base_url / "api/state") as response:
            body = await read(response, MAX_STATE_BYTES)
        self.clock_offset = clock_offset(response.headers.get(hdrs.DATE))
        try:
            return await in_executor(parse_state, body)
        except UnknownSchemaError as error:
            raise IncompatibleError(error.schema) from error
        except DocumentError as error:
            raise InvalidResponseError(f"the server's state cannot be read: {error}") from error

    async def enrol(self) -> Identity:
        """Return a new secret of the server's, with which it can be recognised at another address."""
        return Identity(
            **await self.transport.document(hdrs.METH_POST, self.base_url / "api/identity", parse_enrolment)
        )

    async def identity(self, key: str | None, nonce: str) -> Answer:
        """Ask the server to prove who it is with the secret that has the name `key`, or with its token's."""
        query = {"nonce": nonce} if key is None else {"nonce": nonce, "key": key}
        url = (self.base_url / "api/identity").with_query(query)
        async with self.transport.request(hdrs.METH_GET, url, middlewares=(remember_peer,)) as response:
            body = await read(response, MAX_MESSAGE_BYTES)
        peername = response.peername if isinstance(response, ResponseWithPeer) else None
        if peername is None:
            raise CannotConnectError("the connection was lost")
        try:
            return Answer(**parse_identity(body), peer=address_of(peername))
        except DocumentError as error:
            raise InvalidResponseError(f"the server's answer cannot be read: {error}") from error

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
        url = (self.base_url / "cameras" / camera_id / "snapshot.jpg").with_query(_query(wanted))
        return await self.transport.picture(url)

    async def take_snapshot(self, camera_id: str) -> Snapshot:
        """Make the server take a snapshot and keep it."""
        url = self.base_url / "api/cameras" / camera_id / "snapshots"
        return await self.transport.document(hdrs.METH_POST, url, partial(parse_snapshot, numbered=False))

    async def full_snapshot(
        self, camera_id: str, *, width: int | None = None, height: int | None = None
    ) -> tuple[bytes, float | None]:
        """Return a JPEG in the largest size of the camera, for which the server interrupts its live picture.

        Also return for how many seconds, or None if the server does not tell. One before this version answers with a
        picture of the usual size.
        """
        wanted = {"full": 1, "width": width, "height": height}
        url = (self.base_url / "cameras" / camera_id / "snapshot.jpg").with_query(_query(wanted))
        async with self.transport.request(hdrs.METH_GET, url, STILL_TIMEOUT) as response:
            gap = gap_of(response.headers.get("X-Gap"))
            return await read_picture(response, MAX_STILL_BYTES), gap

    async def take_full_snapshot(self, camera_id: str) -> tuple[Snapshot, float | None]:
        """Make the server take and keep such a picture, and return its description and the same seconds."""
        url = self.base_url / "api/cameras" / camera_id / "snapshots"
        return await self.transport.document(
            hdrs.METH_POST, url, parse_full_snapshot, json={"full": True}, timeouts=STILL_TIMEOUT
        )

    async def set_control(self, camera_id: str, name: str, value: ControlValue) -> Mapping[str, Control]:
        """Set a control of a camera, and return all its controls as they are then."""
        url = self.base_url / "api/cameras" / camera_id / "controls"
        return await self.transport.document(
            hdrs.METH_PATCH, url, parse_controls, json={name: value}, limit=MAX_STATE_BYTES
        )

    async def set_enabled(self, camera_id: str, *, enabled: bool) -> bool:
        """Turn a camera on or off for everybody, and return whether it is on then."""
        url = self.base_url / "api/cameras" / camera_id
        return await self.transport.document(hdrs.METH_PATCH, url, parse_enabled, json={"enabled": enabled})

    async def set_motion(self, camera_id: str, **settings: bool | int) -> Motion:
        """Change settings of a camera's motion detection, and return it as it is then."""
        url = self.base_url / "api/cameras" / camera_id
        return await self.transport.document(hdrs.METH_PATCH, url, parse_changed_motion, json={"motion": settings})

    async def events(self) -> AsyncGenerator[ServerSentEvent]:
        """Listen to the server, and yield what it says until it ends that: events, and comments without a kind.

        Close it with `contextlib.aclosing`.
        """
        async with self.transport.request(hdrs.METH_GET, self.base_url / "api/events", EVENTS_TIMEOUT) as response:
            if response.content_type != "text/event-stream":
                raise InvalidResponseError("the server answered with something else than events")
            parser, rate = EventStreamParser(), RateLimit(MAX_EVENT_RATE, seconds=1)
            bytes_rate = RateLimit(MAX_EVENT_BYTES_RATE, seconds=1)
            try:
                async for chunk in response.content.iter_any():
                    events = parser.feed(chunk)
                    if not (rate.allows(len(events)) and bytes_rate.allows(len(chunk))):
                        raise InvalidResponseError("the server sends more events than a server has to")
                    for event in events:
                        yield event
                    # A server that fills the socket faster than this loop empties it would block the event loop.
                    await asyncio.sleep(0)
            except EventStreamError as error:
                raise InvalidResponseError(f"the server's events cannot be read: {error}") from error

    async def restart(self, camera_id: str) -> None:
        """Make the server restart a camera. Return before it is done."""
        async with self.transport.request(hdrs.METH_POST, self.base_url / "api/cameras" / camera_id / "restart"):
            pass

    async def focus(self, camera_id: str) -> None:
        """Have a camera focus, and return when its picture is sharp."""
        url = self.base_url / "api/cameras" / camera_id / "focus"
        timeouts = ClientTimeout(total=FOCUS_TIMEOUT, sock_connect=self.transport.timeouts.sock_connect)
        async with self.transport.request(hdrs.METH_POST, url, timeouts):
            pass

    async def stream(
        self, camera_id: str, *, fps: float | None = None, width: int | None = None
    ) -> AsyncGenerator[Frame]:
        """Open a camera's stream and yield its frames, at most `fps` per second, until the server ends it.

        They are at most `width` pixels wide; an older server sends them as they are. Raises `InvalidResponseError` when
        it sends more than `MAX_FRAME_RATE` a second, whatever `fps` is.
        Close it with `contextlib.aclosing`.
        """
        wanted = {"width": width, "fps": None if fps is None else f"{fps:g}"}
        url = self.stream_url(camera_id).with_query(_query(wanted))
        async with self.transport.request(hdrs.METH_GET, url, STREAM_TIMEOUT) as response:
            try:
                boundary = boundary_of(response.headers.get(hdrs.CONTENT_TYPE, ""))
                parser = MultipartParser(boundary, max_part=MAX_PICTURE_BYTES, max_parts=MAX_FRAME_RATE)
                rate = RateLimit(MAX_FRAME_RATE, seconds=1)
                async for chunk in response.content.iter_any():
                    if parts := parser.feed(chunk):
                        if not rate.allows(len(parts)):
                            raise InvalidResponseError(f"the stream has more than {MAX_FRAME_RATE} pictures a second")
                        # Of frames that came together, viewers see only the last.
                        yield frame_of(parts[-1])
                    # A server that fills the socket faster than this loop empties it would block the event loop.
                    await asyncio.sleep(0)
            except MultipartError as error:
                raise InvalidResponseError(f"the stream cannot be read: {error}") from error


def _query(wanted: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in wanted.items() if value is not None}
