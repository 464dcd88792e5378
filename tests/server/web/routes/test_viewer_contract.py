"""The server's half of the viewer contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from pi_mjpeg_server.web.routes import frame_writer

from tests.contract.viewer_contract import (
    Half,
    test_a_slow_viewer_sees_recent_pictures_and_delays_nobody,
    test_a_viewer_that_takes_nothing_is_disconnected,
    test_each_part_ends_with_what_its_reader_waits_for,
    test_frames_keep_coming_in_either_layout,
    test_silence_is_filled_with_the_last_frame,
)
from tests.server.support.scripted_camera import Script, camera, serving
from tests.server.web.transport.test_tls import trusting, write

__all__ = [
    "test_a_slow_viewer_sees_recent_pictures_and_delays_nobody",
    "test_a_viewer_that_takes_nothing_is_disconnected",
    "test_each_part_ends_with_what_its_reader_waits_for",
    "test_frames_keep_coming_in_either_layout",
    "test_silence_is_filled_with_the_last_frame",
]


@pytest.fixture(params=[False, True], ids=["http", "https"])
async def half(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Half]:
    """The server, with a scripted camera."""
    authority = trustme.CA() if request.param else None
    script = Script()
    tls = write(authority, tmp_path) if authority else {}
    async with serving(tmp_path, [camera(script)], **tls) as served:
        yield Half(
            frame_writer,
            int(served.url.rpartition(":")[2]),
            "/stream",
            script,
            lambda: len(served.server.cameras[0].viewers),
            trusting(authority) if authority else None,
        )
