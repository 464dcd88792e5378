"""Serves the live picture on this machine to programs that take only a URL, such as the recorder of Home Assistant."""

import asyncio
import hmac
import secrets
from base64 import b64encode
from typing import Final

from aiohttp import hdrs, web
from yarl import URL

from ..const import DOMAIN
from . import stream_response
from .hub import Hub

_ADDRESS: Final = "127.0.0.1"
_CHALLENGE: Final = f'Basic realm="{DOMAIN}"'


class Relay:
    """A web server on loopback for the stream of one hub, from the first `url` until `close`.

    Home Assistant's own server would not do: its token in a URL expires within ten minutes, it counts a wrong one as a
    failed login, and it may listen on another address only, or with a certificate that names another host.
    """

    def __init__(self, hub: Hub) -> None:
        """Serve nothing yet."""
        self._hub = hub
        self._password = secrets.token_urlsafe(32)
        self._starting = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    async def url(self) -> URL:
        """Return the URL, which is the same until `close`. The password is in it, as Home Assistant hides that in logs.

        Raises OSError when no port can be opened.
        """
        async with self._starting:
            if self._runner is None:
                self._runner = await self._start()
        port = self._runner.addresses[0][1]
        return URL.build(scheme="http", user=DOMAIN, password=self._password, host=_ADDRESS, port=port, path="/stream")

    async def close(self) -> None:
        """Stop listening. Who still watches is disconnected: the hub has to be closed first."""
        async with self._starting:
            if self._runner is not None:
                await self._runner.cleanup()
                self._runner = None

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/stream", self._serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, _ADDRESS, 0).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        wanted = b"Basic " + b64encode(f"{DOMAIN}:{self._password}".encode())
        if not hmac.compare_digest(request.headers.get(hdrs.AUTHORIZATION, "").encode(errors="replace"), wanted):
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: _CHALLENGE})
        return await stream_response.serve(request, self._hub)
