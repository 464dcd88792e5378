"""Events: what MQTT says, as Server-Sent Events (HTML Living Standard, 9.2), for clients without a broker."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from pi_mjpeg_server.events import Event, EventFeed, Subscriber
from pi_mjpeg_server.web.errors import not_found, too_many_event_streams
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.routes.stream import limit_buffers
from pi_mjpeg_server.web.security.auth import AUTHENTICATOR
from pi_mjpeg_server.web.security.ip_addresses import client_network
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

HEARTBEAT_INTERVAL = 15.0
"""Seconds between two comments, by which a client notices that the server is gone."""
MAX_STREAMS = 64
"""Clients that listen at once."""
MAX_STREAMS_PER_CLIENT = 16
"""The same of one client, as `client_network` returns it."""

DRAIN_TIMEOUT = 15.0
"""Seconds that a client may take for some events. One that needs longer is disconnected."""

_TOKEN_CHECK_INTERVAL = 1.0
_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # nginx would collect events before it passes them on.
    "X-Accel-Buffering": "no",
}

EVENT_FEED = web.AppKey("event_feed", EventFeed)


async def events(request: web.Request) -> web.StreamResponse:
    """Send events until the client leaves. With `?cells=` and a camera's id, also what its motion detector sees."""
    cells = request.query.get("cells")
    if cells is not None and request.app[SERVER].camera(cells) is None:
        raise not_found("cells has to be the id of a camera")
    response = web.StreamResponse(headers=_HEADERS)
    if request.method == "HEAD":
        return response
    feed, origin = request.app[EVENT_FEED], request[REQUEST_ORIGIN]
    client = client_network(origin.client_ip)
    _check_limits(feed, client)
    # A ConnectionError means that the client left.
    with feed.subscribe(client, origin.base_url, cells) as subscriber, contextlib.suppress(ConnectionError):
        writer, transport = await response.prepare(request), request.transport
        if writer is None or transport is None:
            return response
        limit_buffers(transport)
        session = request.app[AUTHENTICATOR].session(request)
        value = session.value
        try:
            await _send_events(writer, feed, subscriber, lambda: session.value != value)
        except TimeoutError:
            # close() would wait until the client has taken what is buffered for it.
            transport.abort()
    return response


def _check_limits(feed: EventFeed, client: str) -> None:
    clients = feed.clients
    if len(clients) >= MAX_STREAMS:
        raise too_many_event_streams(f"{MAX_STREAMS} clients listen to the events already")
    if clients.count(client) >= MAX_STREAMS_PER_CLIENT:
        raise too_many_event_streams(f"{MAX_STREAMS_PER_CLIENT} clients of this address listen to the events already")


async def _send_events(
    writer: AbstractStreamWriter, feed: EventFeed, subscriber: Subscriber, is_void: Callable[[], bool]
) -> None:
    """Send events until the server stops, or what the client was authenticated with becomes void."""
    heartbeat_at = time.monotonic()
    while not feed.is_closing:
        if time.monotonic() >= heartbeat_at:
            await _send(writer, b": pi-mjpeg\n\n")
            heartbeat_at = time.monotonic() + HEARTBEAT_INTERVAL
        happened = await subscriber.take(min(_TOKEN_CHECK_INTERVAL, max(0.0, heartbeat_at - time.monotonic())))
        if is_void():
            return
        if happened:
            await _send(writer, _encoded(happened))


async def _send(writer: AbstractStreamWriter, data: bytes) -> None:
    """Return once the kernel has taken it. Raises `TimeoutError` when the client does not take it."""
    async with asyncio.timeout(DRAIN_TIMEOUT):
        await writer.write(data)
        await writer.drain()


def _encoded(happened: Sequence[Event]) -> bytes:
    return "".join(f"event: {event.kind}\ndata: {event.data}\n\n" for event in happened).encode()
