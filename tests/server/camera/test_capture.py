"""The capture thread, without a supervisor."""

import asyncio
import gc
import time
from collections.abc import Mapping
from weakref import ReferenceType, ref

import pytest
from pi_mjpeg_server.camera import capture, supervisor
from pi_mjpeg_server.camera.capture import Capture
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control

from tests.server.support.scripted_camera import Script, ScriptedSource, camera, supervised, until


class EventLog:
    """A listener that counts events."""

    def __init__(self) -> None:
        """Start at zero."""
        self.opened = self.pictures = self.replaced = self.lost = self.pauses = self.closed = self.damaged = 0
        self.size: tuple[int, int] | None = None
        self.error: Exception | None = None

    def source_opened(self, info: SourceInfo, controls: Mapping[str, Control]) -> None:
        """Count it."""
        assert info.model == "Scripted"
        assert "brightness" in controls
        self.opened += 1

    def picture_received(self, picture: Picture, capture_drops: int) -> None:
        """Count it."""
        assert picture.jpeg
        assert capture_drops >= 0
        self.pictures += 1
        self.lost += capture_drops

    def picture_replaced(self, picture: Picture) -> None:
        """Count it."""
        assert picture.jpeg
        self.replaced += 1

    def size_changed(self, size: tuple[int, int]) -> None:
        """Keep it."""
        self.size = size

    def pictures_damaged(self, count: int, damage: str) -> None:
        """Count them."""
        self.damaged += count
        assert damage

    def still_progressed(self) -> None:
        """Not tested here."""

    def capture_paused(self) -> None:
        """Count it."""
        self.pauses += 1

    def source_closed(self, error: Exception | None) -> None:
        """Count it, and keep the error."""
        self.closed += 1
        self.error = error


async def test_every_pause_is_acknowledged_even_if_the_thread_never_saw_the_resume_before_it() -> None:
    script, log = Script(fps=200), EventLog()
    capture = Capture("Front", lambda: script.source(SourceSettings()), log)
    capture.start()
    capture.resume()
    await until(lambda: log.pictures > 0)
    capture.pause()
    await until(lambda: log.pauses > 0)
    for _ in range(50):
        pauses = log.pauses
        capture.resume()
        capture.pause()
        await until(lambda: log.pauses > pauses, 2)  # noqa: B023  (it is called at once)
    assert not capture.is_resumed
    await asyncio.sleep(0.1)
    assert script.capturing == 0
    capture.close()
    await until(lambda: log.closed == 1)
    assert log.error is None
    assert (log.opened, script.opened, script.closed) == (1, 1, 1)


async def test_what_a_late_event_loop_has_not_taken_is_handed_over_in_order_and_bounded() -> None:
    script, log = Script(fps=100), EventLog()
    capture = Capture("Front", lambda: script.source(SourceSettings()), log)
    capture.start()
    capture.resume()
    await until(lambda: log.pictures > 0)
    for late, expected in ((0.05, range(1, 8)), (0.5, range(7, 8))):
        lost, replaced = log.lost, log.replaced
        await asyncio.sleep(0)
        time.sleep(late)  # noqa: ASYNC251  (the loop is late)
        pictures = log.pictures
        await until(lambda: log.pictures > pictures)  # noqa: B023  (it is called at once)
        assert log.replaced - replaced in expected
        assert (log.lost > lost) == (late > 0.1)
    capture.close()
    await until(lambda: log.closed == 1)


async def test_memory_is_returned_once_a_rest_has_begun_and_the_last_seconds_are_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capture, "_IDLE_CHECK_INTERVAL", 0.3)
    script = Script(fps=100)
    front = camera(script, linger=0)
    held: list[int] = []
    monkeypatch.setattr(capture, "return_free_memory", lambda: held.append(front.ring.bytes))
    async with supervised(front):
        await until(lambda: front.state is CameraState.IDLE)
        await until(lambda: len(held) == 2)
        with front.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: front.ring.bytes > 0)
        await until(lambda: len(held) == 3)
        await asyncio.sleep(0.7)
    # Once at the start and once for each rest, and nothing was held any more.
    assert held == [0, 0, 0]


async def test_the_memory_of_a_capture_that_failed_is_returned_before_the_next_one_opens_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "RETRY_DELAYS", (0.01,))
    script = Script(fps=100, raise_in_frames="unplugged")
    opened: list[int] = []
    monkeypatch.setattr(capture, "return_free_memory", lambda: opened.append(script.opened))
    front = camera(script)
    async with supervised(front):
        await until(lambda: len(opened) > 3)
    assert opened == list(range(len(opened)))


async def test_nothing_holds_what_a_failed_capture_used_not_even_until_the_garbage_is_collected() -> None:
    script, log = Script(raise_in_frames="unplugged"), EventLog()
    sources: list[ReferenceType[ScriptedSource]] = []

    def make_source() -> ScriptedSource:
        source = script.source(SourceSettings())
        sources.append(ref(source))
        return source

    gc.disable()
    try:
        capture = Capture("Front", make_source, log)
        capture.start()
        capture.resume()
        await until(lambda: log.closed == 1)
        assert str(log.error) == "unplugged"
        log.error = None
        await until(lambda: not capture.is_alive)
        assert [source() for source in sources] == [None]
    finally:
        gc.enable()
