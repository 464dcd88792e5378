"""One upstream for all viewers, only while there are any, and viewers never notice that it was away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import pairwise

import aiohttp
import pytest
from yarl import URL

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.frame import Frame
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.conftest import until
from tests.component.support.fake_pi import CAMERA, Pi, jpeg, number_of


async def draw_gap(last: bytes | None) -> bytes:
    """Draw 9 over the last picture's number."""
    return jpeg(90 + (number_of(last) if last else 0))


@pytest.fixture
async def hub(pi: Pi) -> AsyncIterator[Hub]:
    """A hub on the Pi's first camera, in a hurry."""
    async with aiohttp.ClientSession() as session:
        client = PiMjpegClient(session, URL(pi.url))
        hub = Hub(
            "front",
            lambda: client.stream(CAMERA),
            lambda coroutine, name: asyncio.create_task(coroutine, name=name),
            draw_gap,
            lambda: None,
            linger=0.3,
            retry=0.05,
        )
        yield hub
        await hub.close()


async def picture(hub: Hub, after: Frame | None = None) -> Frame:
    """Return the next frame, which has to come within five seconds."""
    frame = await hub.newer_than(after, within=5)
    assert frame is not None
    assert frame is not after
    return frame


async def test_without_a_viewer_nothing_is_asked_of_the_pi(hub: Hub, pi: Pi) -> None:
    await asyncio.sleep(0.1)
    assert pi.requests == []
    assert hub.latest is None


async def test_any_number_of_viewers_share_one_stream_and_its_frames(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))

    async def watch() -> list[Frame]:
        with hub.watch():
            first = await picture(hub)
            pi.show(jpeg(2))
            return [first, await picture(hub, first)]

    seen = await asyncio.gather(*(watch() for _ in range(20)))
    assert pi.streams == 1
    assert {id(frame.part) for frames in seen for frame in frames} == {id(frame.part) for frame in seen[0]}
    assert [frame.jpeg for frame in seen[0]] == [jpeg(1), jpeg(2)]


async def test_the_stream_outlives_the_last_viewer_a_little_and_then_closes(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.watch():
        await picture(hub)
    await asyncio.sleep(0.1)
    assert pi.watching == 1
    with hub.watch():
        await asyncio.sleep(0.4)
        assert pi.watching == 1
    await until(lambda: pi.watching == 0)
    assert pi.streams == 1


async def test_the_next_viewer_never_sees_a_picture_from_before(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.watch():
        await picture(hub)
    await until(lambda: pi.watching == 0)
    assert hub.latest is None
    pi.show(jpeg(2))
    with hub.watch():
        assert (await picture(hub)).jpeg == jpeg(2)


async def test_a_frame_that_is_sent_again_is_no_newer_one(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.watch():
        first = await picture(hub)
        assert await hub.newer_than(first, within=1.5) is first


async def test_a_viewer_stays_across_a_gap_and_gets_what_follows(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.watch():
        first = await picture(hub)
        port = pi.port
        await pi.stop()
        assert await hub.newer_than(first, within=0.3) is first
        pi.show(jpeg(2))
        await pi.start(port)
        assert (await picture(hub, first)).jpeg == jpeg(2)


async def test_attempts_come_ever_more_seldom(hub: Hub, pi: Pi) -> None:
    await pi.stop()
    attempts: list[float] = []
    stream = hub._stream  # noqa: SLF001 - counts the attempts, which nobody on the other side can

    def counted() -> AsyncGenerator[Frame]:
        attempts.append(asyncio.get_running_loop().time())
        return stream()

    hub._stream = counted  # noqa: SLF001 - likewise
    with hub.watch():
        await asyncio.sleep(1.2)
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert 3 <= len(attempts) <= 6
    assert all(later > earlier for earlier, later in pairwise(gaps))


async def test_a_stream_without_a_single_frame_does_not_reset_the_wait(hub: Hub, pi: Pi) -> None:
    async def empty(_: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        return aiohttp.web.Response(content_type="multipart/x-mixed-replace; boundary=frame")

    pi.answers["/cameras/front/stream"] = empty
    with hub.watch():
        await asyncio.sleep(1.2)
    assert 3 <= len(pi.requests) <= 6


async def test_word_that_the_server_is_back_ends_the_wait(hub: Hub, pi: Pi) -> None:
    port = pi.port
    await pi.stop()
    hub._retry_minimum = 30  # noqa: SLF001 - longer than the test may take
    with hub.watch():
        await asyncio.sleep(0.1)
        pi.show(jpeg(3))
        await pi.start(port)
        hub.retry_now()
        assert (await picture(hub)).jpeg == jpeg(3)


async def test_a_fault_of_our_own_is_over_with_the_next_viewer(hub: Hub, pi: Pi) -> None:
    def faulty() -> AsyncGenerator[Frame]:
        raise RuntimeError

    stream, hub._stream = hub._stream, faulty  # noqa: SLF001 - no server can make the hub fail in this way
    with hub.watch():
        task = hub._task  # noqa: SLF001 - likewise
        assert task is not None
        await asyncio.wait([task])
        assert isinstance(task.exception(), RuntimeError)
    hub._stream = stream  # noqa: SLF001 - likewise
    pi.show(jpeg(1))
    with hub.watch():
        assert (await picture(hub)).jpeg == jpeg(1)


async def test_closing_wakes_all_viewers_and_leaves_no_task(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.watch():
        first = await picture(hub)
        waiting = asyncio.create_task(hub.newer_than(first, within=30))
        await asyncio.sleep(0)
        await hub.close()
        assert await waiting is None
    assert [task for task in asyncio.all_tasks() if "pi_mjpeg" in task.get_name()] == []
    await until(lambda: pi.watching == 0)
    with hub.watch():
        await asyncio.sleep(0.1)
    assert pi.streams == 1


async def test_a_gap_is_shown_after_a_while_and_over_with_the_next_frame(hub: Hub, pi: Pi) -> None:
    back: list[bool] = []
    hub._on_back = lambda: back.append(hub.in_gap)  # noqa: SLF001 - the fixture's hub tells nobody
    hub._gap = 0.5  # noqa: SLF001 - in a hurry
    pi.show(jpeg(1))
    with hub.watch():
        first = await picture(hub)
        port = pi.port
        await pi.stop()
        drawn = await picture(hub, first)
        assert (drawn.jpeg, drawn.drawn, hub.in_gap, back) == (jpeg(91), True, True, [])
        pi.show(jpeg(2))
        await pi.start(port)
        assert (await picture(hub, drawn)).jpeg == jpeg(2)
        assert (hub.in_gap, back) == (False, [False])


async def test_a_server_that_says_nothing_is_a_gap_too(hub: Hub, pi: Pi) -> None:
    hub._gap = 0.3  # noqa: SLF001 - likewise
    pi.stalled = True
    with hub.watch():
        assert (await picture(hub)).jpeg == jpeg(90)
        assert pi.watching == 1


async def test_dashboards_that_lost_their_view_in_a_gap_are_awaited_until_they_are_back(hub: Hub, pi: Pi) -> None:
    hub._gap = 0.3  # noqa: SLF001 - likewise
    pi.stalled = True
    with hub.watch(browser=True), hub.watch():
        with hub.watch(browser=True):
            pass
        assert hub.awaited == 0
        with hub.watch(browser=True), hub.watch():
            await until(lambda: hub.in_gap)
        assert hub.awaited == 1
        with hub.watch(browser=True):
            assert hub.awaited == 0


async def test_who_is_sent_away_goes_and_dashboards_are_awaited(hub: Hub) -> None:
    with hub.watch(browser=True) as dashboard, hub.watch() as recorder:
        hub.dismiss(browsers_only=True)
        assert (dashboard.over, recorder.over, hub.awaited) == (True, False, 1)
        hub.dismiss()
        assert (recorder.over, hub.awaited) == (True, 1)
