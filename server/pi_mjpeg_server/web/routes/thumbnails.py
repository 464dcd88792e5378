"""Thumbnails of what is kept: made one at a time, which leaves the processor to the cameras."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread

_T = TypeVar("_T")

THUMBNAIL_TURN = web.AppKey("thumbnail_turn", asyncio.Semaphore)
"""Held while a thumbnail is made."""


async def make_in_turn(request: web.Request, make: Callable[[], _T]) -> _T:
    """Return what `make` returns, which is called in a thread once no other thumbnail is made."""
    async with request.app[THUMBNAIL_TURN]:
        return await run_in_daemon_thread(make, "thumbnail")
