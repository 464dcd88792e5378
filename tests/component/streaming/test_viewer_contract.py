"""The component's half of the viewer contract."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import pytest
import trustme

from custom_components.pi_mjpeg.api.frame import Frame
from custom_components.pi_mjpeg.streaming import frame_writer
from tests.component.support.fake_pi import jpeg
from tests.component.support.hubs import make_hub, serving
from tests.contract.viewer_contract import (
    Half,
    test_a_slow_viewer_sees_recent_pictures_and_delays_nobody,
    test_a_viewer_that_takes_nothing_is_disconnected,
    test_each_part_ends_with_what_its_reader_waits_for,
    test_frames_keep_coming_in_either_layout,
    test_silence_is_filled_with_the_last_frame,
)

__all__ = [
    "test_a_slow_viewer_sees_recent_pictures_and_delays_nobody",
    "test_a_viewer_that_takes_nothing_is_disconnected",
    "test_each_part_ends_with_what_its_reader_waits_for",
    "test_frames_keep_coming_in_either_layout",
    "test_silence_is_filled_with_the_last_frame",
]


@dataclass
class Upstream:
    """A stream as the client of the Pi would give it."""

    fps: float = 50
    padding: int = 0
    silent: bool = False

    async def frames(self) -> AsyncGenerator[Frame]:
        """Yield numbered pictures, for ever."""
        number = 0
        while True:
            if not self.silent:
                number += 1
                yield Frame(jpeg(number, self.padding), time.monotonic(), f"{time.time():.6f}")
            await asyncio.sleep(1 / self.fps)


@pytest.fixture(params=[False, True], ids=["http", "https"])
async def half(request: pytest.FixtureRequest) -> AsyncIterator[Half]:
    """The component's viewer loop, with a stream that never breaks off."""
    trust = certificate = None
    if request.param:
        authority = trustme.CA()
        trust, certificate = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.configure_trust(trust)
        authority.issue_cert("127.0.0.1").configure_cert(certificate)
    upstream = Upstream()
    hub = make_hub(upstream.frames)
    async with serving(hub, certificate) as port:
        yield Half(frame_writer, port, "/", upstream, lambda: hub.viewers, trust)
