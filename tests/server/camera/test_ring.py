"""The ring: the last seconds of a camera, bounded in seconds and bytes, without a copy."""

import time

import pytest
from pi_mjpeg_server.camera.ring import Ring
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import Frame

from tests.server.support.scripted_camera import Script, camera, supervised, until

FPS = 30


def frames(count: int, *, size: int = 1000, fps: float = FPS, first: int = 0) -> list[Frame]:
    return [Frame(bytes([n % 251]) * size, n, n / fps, 1e9 + n / fps) for n in range(first, first + count)]


def filled(ring: Ring, taken: list[Frame]) -> Ring:
    for frame in taken:
        ring.add(frame)
    return ring


@pytest.mark.parametrize("phase", [number / 100 for number in range(100)])
def test_it_reaches_back_at_least_the_seconds_that_were_asked_for(phase: float) -> None:
    ring = filled(Ring(5), frames(20 * FPS))
    # Between two frames, wherever the request comes.
    now = (20 * FPS - 1 + phase) / FPS
    assert now - ring.since(now - 5)[0].taken >= 5
    assert now - ring.since(now - 2)[0].taken == pytest.approx(2, abs=1.01 / FPS)


def test_it_holds_no_more_than_the_seconds_times_rate_and_size() -> None:
    ring = filled(Ring(5), frames(60 * FPS))
    assert ring.bytes == sum(len(frame.jpeg) for frame in ring.since(-1))
    assert ring.bytes <= 5 * FPS * 1000 * 1.1


def test_it_holds_the_very_pictures_and_not_the_parts_that_viewers_were_sent() -> None:
    taken = frames(30)
    ring = Ring(5)
    for frame in taken:
        assert frame.part
        assert frame.browser_part
        ring.add(frame)
    held = ring.since(-1)
    assert [frame.jpeg for frame in held] == [frame.jpeg for frame in taken]
    assert all(mine.jpeg is theirs.jpeg for mine, theirs in zip(held, taken, strict=True))
    assert not any("part" in vars(frame) or "browser_part" in vars(frame) for frame in held)


def test_large_pictures_are_bounded_in_bytes() -> None:
    ring = filled(Ring(5, max_bytes=50_000), frames(10 * FPS, size=4000))
    assert 40_000 < ring.bytes <= 50_000
    ring.add(frames(1, size=60_000, first=10 * FPS)[0])
    assert (ring.bytes, ring.since(-1)) == (0, [])


def test_what_was_before_a_long_gap_is_of_another_time() -> None:
    ring = filled(Ring(5), frames(FPS))
    (later,) = frames(1, first=100 * FPS)
    ring.add(later)
    assert [frame.sequence for frame in ring.since(-1)] == [later.sequence]


def test_no_seconds_hold_nothing_but_listeners_hear_of_each_frame() -> None:
    ring = Ring(0)
    heard: list[Frame] = []
    ring.listeners.append(heard.append)
    filled(ring, frames(10))
    assert [frame.sequence for frame in heard] == list(range(10))
    assert (ring.bytes, ring.since(-1)) == (0, [])


async def test_a_camera_that_is_idle_or_off_holds_nothing() -> None:
    async with supervised(cam := camera(Script())):
        await until(lambda: cam.state is CameraState.IDLE)
        assert cam.ring.bytes == 0
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: len(cam.ring.since(0)) > 5)
            cam.disable()
            assert (cam.ring.bytes, cam.ring.since(0)) == (0, [])
            cam.enable()
            began = time.monotonic()
            await until(lambda: len(cam.ring.since(0)) > 5)
            assert cam.ring.since(0)[0].taken >= began
        await until(lambda: cam.state is CameraState.IDLE)
        assert cam.ring.bytes == 0


async def test_no_drawn_picture_is_held() -> None:
    script = Script(fail_open="unplugged")
    async with supervised(cam := camera(script)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.broadcast.latest is not None and cam.broadcast.latest.drawn)
            assert cam.ring.since(0) == []
