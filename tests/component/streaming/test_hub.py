"""One upstream for all viewers, open only while there are any. Viewers stay connected while it is away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from itertools import pairwise

import aiohttp
import pytest

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.frame import Frame
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.conftest import until
from tests.component.support.fake_pi import CAMERA, Pi, jpeg
from tests.component.support.hubs import make_hub

SECOND = "second"
"""What is in the URL that dashboards have now."""


@asynccontextmanager
async def opened(
    open_stream: Callable[[], AsyncGenerator[Frame]], on_stall_end: Callable[[], None] = lambda: None, **times: float
) -> AsyncIterator[Hub]:
    """Make a hub with short times, and close it at the end."""
    hub = make_hub(open_stream, on_stall_end, **{"linger": 0.3, "retry_delay": 0.05, **times})
    yield hub
    await hub.close()


@pytest.fixture
async def hub(client: PiMjpegClient) -> AsyncIterator[Hub]:
    """A hub of the Pi's first camera."""
    async with opened(lambda: client.stream(CAMERA)) as hub:
        yield hub


@pytest.fixture
async def hub_that_stalls_soon(client: PiMjpegClient) -> AsyncIterator[Hub]:
    """The same, which soon takes silence for a gap."""
    async with opened(lambda: client.stream(CAMERA), stall_timeout=0.3) as hub:
        yield hub


class Recorder:
    """A viewer that keeps the frames that it is given, for as long as the stack lasts."""

    def __init__(self, hub: Hub, stack: ExitStack) -> None:
        self.frames: list[Frame] = []
        stack.enter_context(hub.viewing())
        stack.enter_context(hub.broadcast.subscribed(self))

    def frame_published(self, frame: Frame, now: float) -> None:
        """Keep it."""
        assert now >= frame.received
        self.frames.append(frame)

    def check(self, now: float) -> float:
        """Return when the next check is due."""
        return now + 1


async def picture(hub: Hub, after: Frame | None = None) -> Frame:
    """Return the next frame, which has to come within five seconds."""
    await until(lambda: hub.latest is not None and hub.latest is not after)
    assert hub.latest is not None
    return hub.latest


async def assert_no_newer(hub: Hub, frame: Frame, seconds: float) -> None:
    """Fail if a newer frame comes within so many seconds."""
    with pytest.raises(TimeoutError):
        await until(lambda: hub.latest is not frame, seconds)


async def test_without_a_viewer_nothing_is_asked_of_the_pi(hub: Hub, pi: Pi) -> None:
    await asyncio.sleep(0.1)
    assert pi.requests == []
    assert hub.latest is None


async def test_any_number_of_viewers_share_one_stream_and_its_frames(hub: Hub, pi: Pi) -> None:
    with ExitStack() as stack:
        viewers = [Recorder(hub, stack) for _ in range(20)]
        for number in (1, 2):
            pi.show(jpeg(number))
            await until(lambda: all(len(viewer.frames) == number for viewer in viewers))  # noqa: B023 - called at once
    seen = [viewer.frames for viewer in viewers]
    assert pi.streams == 1
    assert {id(frame.part) for frames in seen for frame in frames} == {id(frame.part) for frame in seen[0]}
    assert [frame.jpeg for frame in seen[0]] == [jpeg(1), jpeg(2)]


async def test_the_stream_outlives_the_last_viewer_a_little_and_then_closes(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.viewing():
        await picture(hub)
    await asyncio.sleep(0.1)
    assert pi.watching == 1
    with hub.viewing():
        await asyncio.sleep(0.4)
        assert pi.watching == 1
    await until(lambda: pi.watching == 0)
    assert pi.streams == 1


async def test_the_next_viewer_never_sees_a_picture_from_before(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.viewing():
        await picture(hub)
    await until(lambda: pi.watching == 0)
    assert hub.latest is None
    pi.show(jpeg(2))
    with hub.viewing():
        assert (await picture(hub)).jpeg == jpeg(2)


async def test_a_frame_that_is_sent_again_is_no_newer_one(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.viewing():
        first = await picture(hub)
        await assert_no_newer(hub, first, 1.5)


async def test_a_viewer_stays_across_a_gap_and_gets_what_follows(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.viewing():
        first = await picture(hub)
        port = pi.port
        await pi.stop()
        await assert_no_newer(hub, first, 0.3)
        pi.show(jpeg(2))
        await pi.start(port)
        assert (await picture(hub, first)).jpeg == jpeg(2)


async def test_the_delay_between_attempts_grows(client: PiMjpegClient, pi: Pi) -> None:
    await pi.stop()
    attempts: list[float] = []

    def counted() -> AsyncGenerator[Frame]:
        attempts.append(asyncio.get_running_loop().time())
        return client.stream(CAMERA)

    async with opened(counted) as hub:
        with hub.viewing():
            await asyncio.sleep(1.2)
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert 3 <= len(attempts) <= 6
    assert all(later > earlier for earlier, later in pairwise(gaps))


async def test_a_stream_without_a_single_frame_does_not_reset_the_wait(hub: Hub, pi: Pi) -> None:
    async def empty(_: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        return aiohttp.web.Response(content_type="multipart/x-mixed-replace; boundary=frame")

    pi.answers["/cameras/front/stream"] = empty
    with hub.viewing():
        await asyncio.sleep(1.2)
    assert 3 <= len(pi.requests) <= 6


async def test_retry_now_ends_the_wait(client: PiMjpegClient, pi: Pi) -> None:
    port = pi.port
    await pi.stop()
    # Longer than the test may take.
    async with opened(lambda: client.stream(CAMERA), retry_delay=30) as hub:
        with hub.viewing():
            await asyncio.sleep(0.1)
            pi.show(jpeg(3))
            await pi.start(port)
            hub.retry_now()
            assert (await picture(hub)).jpeg == jpeg(3)


async def test_the_next_viewer_recovers_from_an_internal_error(client: PiMjpegClient, pi: Pi) -> None:
    broken = True

    def faulty() -> AsyncGenerator[Frame]:
        if broken:
            raise RuntimeError
        return client.stream(CAMERA)

    async with opened(faulty) as hub:
        with hub.viewing():
            task = hub._task  # noqa: SLF001 - nothing else tells of a fault
            assert task is not None
            await asyncio.wait([task])
            assert isinstance(task.exception(), RuntimeError)
        broken = False
        pi.show(jpeg(1))
        with hub.viewing():
            assert (await picture(hub)).jpeg == jpeg(1)


async def test_closing_dismisses_all_viewers_and_leaves_no_task(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.viewing() as viewer:
        await picture(hub)
        dismissals: list[bool] = []
        viewer.on_dismiss = lambda: dismissals.append(viewer.dismissed)
        await hub.close()
        assert dismissals == [True]
    assert [task for task in asyncio.all_tasks() if "pi_mjpeg" in task.get_name()] == []
    await until(lambda: pi.watching == 0)
    with hub.viewing():
        await asyncio.sleep(0.1)
    assert pi.streams == 1


async def test_a_gap_is_shown_after_a_while_and_over_with_the_next_frame(client: PiMjpegClient, pi: Pi) -> None:
    ended: list[bool] = []
    pi.show(jpeg(1))
    async with opened(
        lambda: client.stream(CAMERA), lambda: ended.append(gapped.is_stalled), linger=0.3, stall_timeout=0.5
    ) as gapped:
        with gapped.viewing():
            first = await picture(gapped)
            port = pi.port
            await pi.stop()
            drawn = await picture(gapped, first)
            assert (drawn.jpeg, drawn.drawn, gapped.is_stalled, ended) == (jpeg(91), True, True, [])
            pi.show(jpeg(2))
            await pi.start(port)
            assert (await picture(gapped, drawn)).jpeg == jpeg(2)
            assert (gapped.is_stalled, ended) == (False, [False])


async def test_a_silent_server_is_a_gap_too(hub_that_stalls_soon: Hub, pi: Pi) -> None:
    hub = hub_that_stalls_soon
    pi.stalled = True
    with hub.viewing():
        assert (await picture(hub)).jpeg == jpeg(90)
        assert pi.watching == 1


async def test_a_dashboard_that_leaves_in_a_gap_is_lost_unless_its_url_was_replaced(
    hub_that_stalls_soon: Hub, pi: Pi
) -> None:
    hub = hub_that_stalls_soon
    hub.dashboard_recall.url_changed(SECOND)
    pi.stalled = True
    with hub.viewing():
        with hub.viewing(for_browser=True, token=SECOND):
            pass
        assert not hub.dashboard_recall.is_needed
        await until(lambda: hub.is_stalled)
        for token, is_lost in (("first", False), (SECOND, True)):
            with hub.viewing(for_browser=True, token=token):
                pass
            assert hub.dashboard_recall.is_needed is is_lost


async def test_a_recall_dismisses_dashboards_alone(hub: Hub) -> None:
    with hub.viewing(for_browser=True, token=SECOND) as dashboard, hub.viewing() as recorder:
        hub.dashboard_recall.url_changed(SECOND)
        assert not hub.recall_dashboards()
        assert not dashboard.dismissed
        hub.dashboard_recall.dashboard_lost(SECOND)
        assert hub.recall_dashboards()
        assert (dashboard.dismissed, recorder.dismissed) == (True, False)
        await hub.close()
        assert recorder.dismissed


async def test_a_paused_hub_shows_one_picture_to_everybody_and_nothing_of_the_camera(hub: Hub, pi: Pi) -> None:
    pi.show(jpeg(1))
    with hub.viewing(for_browser=True) as dashboard, hub.viewing() as recorder:
        live = await picture(hub)
        hub.pause()
        assert hub.latest is None
        await until(lambda: pi.watching == 0)
        hub.show(jpeg(50))
        shown = await picture(hub, after=live)
        assert (shown.jpeg, shown.drawn) == (jpeg(50), True)
        with hub.viewing():
            await assert_no_newer(hub, shown, seconds=0.3)
        assert (dashboard.dismissed, recorder.dismissed, pi.streams) == (False, False, 1)
        hub.resume()
        assert (await picture(hub, after=shown)).jpeg == jpeg(1)


async def test_a_gap_after_a_pause_shows_nothing_of_what_was_before(hub_that_stalls_soon: Hub, pi: Pi) -> None:
    hub = hub_that_stalls_soon
    pi.show(jpeg(1))
    with hub.viewing():
        live = await picture(hub)
        hub.pause()
        hub.show(jpeg(50))
        off = await picture(hub, after=live)
        pi.stalled = True
        hub.resume()
        assert (await picture(hub, after=off)).jpeg == jpeg(90)


async def test_a_hub_that_is_paused_while_a_gap_is_drawn_does_not_show_it(hub_that_stalls_soon: Hub, pi: Pi) -> None:
    hub = hub_that_stalls_soon
    pi.show(jpeg(1))
    with hub.viewing():
        await picture(hub)
        pi.stalled = True
        await until(lambda: hub.is_stalled)
        hub.pause()
        await asyncio.sleep(0.3)
        assert hub.latest is None
