"""The connection on which a camera's frames come from the server, opened again whenever it ends."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from time import monotonic
from typing import Final

from ..api.errors import InvalidResponseError, PiMjpegError
from ..api.frame import Frame
from ..const import LOGGER

MIN_RETRY_DELAY: Final = 1.0
MAX_RETRY_DELAY: Final = 15.0
"""Seconds between two attempts. A Pi takes about 30 s to boot."""


class Upstream:
    """Opens a stream and hands over its frames, until the task that runs it is cancelled."""

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], AsyncGenerator[Frame]],
        on_frame: Callable[[Frame], None],
        *,
        retry_delay: float = MIN_RETRY_DELAY,
    ) -> None:
        """Log as `name`. After a failure wait for `retry_delay` seconds, then for twice as long each time."""
        self._name = name
        self._open_stream = open_stream
        self._on_frame = on_frame
        self._retry_delay = retry_delay
        self._retry = asyncio.Event()
        self._refused = False

    async def run(self) -> None:
        """Keep the stream open until cancelled."""
        delay = self._retry_delay
        while True:
            reason = "the server ended it"
            opened = monotonic()
            works = self._refused = False
            try:
                async with aclosing(self._open_stream()) as frames:
                    async for frame in frames:
                        works = True
                        self._on_frame(frame)
            except InvalidResponseError as error:
                reason = str(error)
                # Such a server is not asked more often for the frames that it sent before, unless that went on long.
                self._refused = True
                works = works and monotonic() - opened > MAX_RETRY_DELAY
            except PiMjpegError as error:
                reason = str(error)
            if works:
                # Only a frame proves that the stream works. A server that accepts the connection and then fails is not
                # asked more often.
                delay = self._retry_delay
            LOGGER.debug("The stream of %s ended, next attempt in %.0f s: %s", self._name, delay, reason)
            await self._wait_to_retry(delay)
            delay = min(delay * 2, MAX_RETRY_DELAY)

    def retry_now(self) -> None:
        """End the wait before the next attempt: the server is known to be back. One that was refused has to wait."""
        if not self._refused:
            self._retry.set()

    async def _wait_to_retry(self, delay: float) -> None:
        self._retry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._retry.wait()
