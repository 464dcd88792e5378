"""Recording a clip: from before the request on, without a gap, and never of a camera that is off."""

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraBusyError, CameraOffError, CameraUnavailableError
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.recording import recorder as recorder_module
from pi_mjpeg_server.recording import recording as recording_module
from pi_mjpeg_server.recording.recorder import MAX_RECORDINGS, Recorder
from pi_mjpeg_server.storage.clip import Clip, ClipError
from pi_mjpeg_server.storage.clip_draft import ClipDraft
from pi_mjpeg_server.storage.clips import ClipLimits, ClipStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner

from tests.server.support.clip_files import Shown, pictures
from tests.server.support.scripted_camera import Script, supervised, until

if TYPE_CHECKING:
    from pi_mjpeg_server.media.frame import Frame

pytestmark = pytest.mark.usefixtures("short_writes")


@pytest.fixture
def short_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "WRITE_INTERVAL", 0.05)
    monkeypatch.setattr(recording_module, "GRACE", 0.3)


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32))


@pytest.fixture
def recorder(store: ClipStore) -> Recorder:
    return Recorder(store)


def camera(script: Script, preroll: float = 0.5) -> Camera:
    return Camera(CameraSettings("front", "Front", "scripted", 0.1, preroll=preroll), script.source)


@contextlib.asynccontextmanager
async def watched(cam: Camera) -> AsyncIterator[None]:
    """Start a camera, and keep it running until its ring is full."""
    async with supervised(cam):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: bool(held := cam.ring.since(0)) and held[-1].taken - held[0].taken >= 0.5)
            yield


def shown(store: ClipStore, clip: Clip) -> list[Shown]:
    file = store.open(clip.id)
    assert file is not None
    with file:
        return pictures(file.read())


def files(store: ClipStore) -> list[str]:
    return [path.name for path in store.folder.iterdir()] if store.folder.exists() else []


async def test_it_begins_before_the_request_and_ends_after_it(store: ClipStore, recorder: Recorder) -> None:
    async with watched(cam := camera(Script())):
        asked = time.time()
        clip = await recorder.record(cam, 0.4, 0.3, "http")
        found = shown(store, clip)
        assert clip.before == pytest.approx(asked - found[0].timestamp, abs=0.05)
        assert 0.4 <= clip.before < 0.6
        assert 0.3 <= clip.after < 0.6
        assert clip.frames == len(found)
        assert clip.duration == pytest.approx(found[-1].timestamp - found[0].timestamp, abs=0.001)


async def test_no_frame_is_missing_while_eight_viewers_watch(store: ClipStore, recorder: Recorder) -> None:
    async with watched(cam := camera(Script(fps=60))):
        published: list[Frame] = list(cam.ring.since(0))
        cam.ring.listeners.append(published.append)
        with contextlib.ExitStack() as viewers:
            for _ in range(8):
                viewers.enter_context(cam.viewing(ViewerStats("127.0.0.1", None)))
            clips = await asyncio.gather(*(recorder.record(cam, 0.4, 0.6, "http") for _ in range(2)))
    taken = [frame.jpeg for frame in published]
    for clip in clips:
        found = [each.jpeg for each in shown(store, clip)]
        begin = taken.index(found[0])
        assert found == taken[begin : begin + len(found)]
        assert len(found) > 20


async def test_it_says_honestly_how_much_before_there_was(recorder: Recorder) -> None:
    async with watched(cam := camera(Script())):
        clip = await recorder.record(cam, 60, 0.1, "http")
        assert 0.5 <= clip.before < 0.7
    async with supervised(cam := camera(Script())):
        await until(lambda: cam.state is CameraState.IDLE)
        clip = await recorder.record(cam, 5, 0.1, "http")
        assert clip.before == 0
        assert clip.frames >= 1


async def test_an_idle_camera_is_started_and_gives_at_least_a_picture(recorder: Recorder) -> None:
    async with supervised(cam := camera(Script(opening=0.3))):
        clip = await recorder.record(cam, 0, 0, "http")
        assert clip.frames == 1
        await until(lambda: cam.state is CameraState.IDLE)


async def test_privacy_gives_it_up_and_leaves_no_file(store: ClipStore, recorder: Recorder) -> None:
    async with watched(cam := camera(Script())):
        task = asyncio.create_task(recorder.record(cam, 0.4, 5, "http"))
        await until(lambda: bool(files(store)))
        await asyncio.sleep(0.1)
        cam.disable()
        # Somebody changes his mind at once: what was being recorded is gone all the same.
        cam.enable()
        with pytest.raises(CameraOffError):
            await task
        assert files(store) == []
        cam.disable()
        with pytest.raises(CameraOffError):
            await recorder.record(cam, 0.4, 0.1, "http")


@pytest.mark.usefixtures("short_timeouts")
async def test_a_camera_that_dies_leaves_what_there_was(store: ClipStore, recorder: Recorder) -> None:
    async with watched(cam := camera(script := Script())):
        task = asyncio.create_task(recorder.record(cam, 0.4, 1, "http"))
        await asyncio.sleep(0.2)
        script.raise_in_frames = "unplugged"
        clip = await task
        assert clip.frames == len(shown(store, clip)) > 5
        assert clip.before >= 0.4
        assert clip.after < 0.8


@pytest.mark.usefixtures("short_timeouts")
async def test_a_camera_without_a_picture_is_a_clear_error(store: ClipStore, recorder: Recorder) -> None:
    async with supervised(cam := camera(Script(fail_open="unplugged"))):
        with pytest.raises(CameraUnavailableError, match="unplugged"):
            await recorder.record(cam, 1, 0.1, "http")
        await until(lambda: cam.state is CameraState.FAILING)
        with pytest.raises(CameraUnavailableError, match="unplugged"):
            await recorder.record(cam, 1, 0.1, "http")
    async with supervised(cam := camera(script := Script())):
        await until(lambda: cam.state is CameraState.IDLE)
        script.silent = True
        with pytest.raises(CameraUnavailableError, match="no picture"):
            await recorder.record(cam, 1, 0.1, "http")
    assert files(store) == []


async def test_a_disk_error_is_the_answer_and_the_camera_goes_on(store: ClipStore, recorder: Recorder) -> None:
    store.folder.write_text("a file where the folder should be")
    async with watched(cam := camera(Script())):
        with pytest.raises(ClipError, match="could not be kept"):
            await recorder.record(cam, 0.4, 0.1, "http")
        assert cam.state is CameraState.LIVE
        assert not recorder.is_recording(cam)
        assert not cam.ring.listeners


async def test_a_clip_that_takes_all_room_ends_early(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32), ClipLimits(max_bytes=200_000))
    recorder = Recorder(store)
    async with watched(cam := camera(Script(padding=4000))):
        began = time.monotonic()
        clip = await recorder.record(cam, 0.4, 30, "http")
        assert time.monotonic() - began < 5
        assert 0.2 < clip.after < 5
        assert clip.bytes <= 200_000
        assert len(shown(store, clip)) == clip.frames


async def test_only_so_many_at_once(recorder: Recorder) -> None:
    async with watched(cam := camera(Script())):
        tasks = [asyncio.create_task(recorder.record(cam, 0, 0.3, "http")) for _ in range(MAX_RECORDINGS)]
        await asyncio.sleep(0)
        with pytest.raises(CameraBusyError) as caught:
            await recorder.record(cam, 0, 0.3, "http")
        assert caught.value.retry_after >= 1
        # Another trigger is not kept waiting by these.
        await recorder.record(cam, 0, 0.1, "mqtt")
        await asyncio.gather(*tasks)
        await recorder.record(cam, 0, 0, "http")


async def test_a_client_that_leaves_does_not_end_the_recording(recorder: Recorder) -> None:
    heard: list[Clip] = []
    recorder.on_clip.append(heard.append)
    async with watched(cam := camera(Script())):
        task = asyncio.create_task(recorder.record(cam, 0.2, 0.4, "http"))
        await asyncio.sleep(0.1)
        task.cancel()
        await until(lambda: bool(heard))
        assert heard[0].after >= 0.4
        assert recorder.recorded["front"] == 1


async def test_a_server_that_stops_keeps_what_there_is(store: ClipStore, recorder: Recorder) -> None:
    async with watched(cam := camera(Script())):
        task = asyncio.create_task(recorder.record(cam, 0.4, 30, "http"))
        await asyncio.sleep(0.2)
        await recorder.stop()
        clip = await task
        assert clip.frames == len(shown(store, clip)) > 10


async def test_an_open_recording_is_split_at_a_length_without_a_gap(
    store: ClipStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MAX_LENGTH", 0.4)
    heard: list[Clip] = []
    recorder.on_clip.append(heard.append)
    async with watched(cam := camera(Script())):
        published: list[Frame] = list(cam.ring.since(0))
        cam.ring.listeners.append(published.append)
        opened = recorder.start(cam, "motion")
        assert recorder.is_recording(cam)
        await asyncio.sleep(1.1)
        assert opened.is_running
        opened.stop()
        await until(lambda: not recorder.is_recording(cam))
    assert len(heard) == 3
    assert heard[0].before >= 0.5
    found = [each.jpeg for each in itertools.chain(*(shown(store, clip) for clip in heard))]
    taken = [frame.jpeg for frame in published]
    begin = taken.index(found[0])
    assert found == taken[begin : begin + len(found)]


async def test_a_slow_disk_never_delays_a_frame(
    store: ClipStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = os.pwritev

    def slow(descriptor: int, buffers: list[bytes], offset: int) -> int:
        time.sleep(0.4)
        return usual(descriptor, buffers, offset)

    async with watched(cam := camera(Script())):
        monkeypatch.setattr(os, "pwritev", slow)
        gaps: list[float] = []
        cam.ring.listeners.append(lambda _: gaps.append(time.monotonic()))
        clip = await recorder.record(cam, 0.2, 0.8, "http")
        assert clip.frames == len(shown(store, clip)) > 30
        assert max(later - earlier for earlier, later in itertools.pairwise(gaps)) < 0.3


async def test_a_disk_that_is_too_slow_ends_the_clip_early_and_bounds_the_memory(
    store: ClipStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "MAX_WAITING_BYTES", 20_000)
    usual = os.pwritev

    def slow(descriptor: int, buffers: list[bytes], offset: int) -> int:
        time.sleep(0.5)
        return usual(descriptor, buffers, offset)

    async with watched(cam := camera(Script(padding=1000))):
        monkeypatch.setattr(os, "pwritev", slow)
        clip = await recorder.record(cam, 0.2, 30, "http")
        assert clip.after < 3
        assert clip.frames == len(shown(store, clip))


async def test_a_camera_that_is_switched_off_while_the_clip_is_finished_gives_none(
    store: ClipStore, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = ClipDraft.finish
    finishing, may_finish = threading.Event(), threading.Event()
    told: list[Clip] = []

    def finish_later(draft: ClipDraft) -> Clip:
        finishing.set()
        assert may_finish.wait(10)
        return finish(draft)

    monkeypatch.setattr(ClipDraft, "finish", finish_later)
    recorder.on_clip.append(told.append)
    async with watched(cam := camera(Script())):
        recording = asyncio.create_task(recorder.record(cam, 0.2, 0.1, "http"))
        await until(finishing.is_set)
        cam.disable()
        may_finish.set()
        with pytest.raises(CameraOffError):
            await recording
    assert files(store) == []
    assert store.clips() == []
    assert told == []


async def test_a_clip_that_has_no_room_at_all_says_which_limit_it_is(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32), ClipLimits(max_bytes=100))
    async with watched(cam := camera(Script())):
        with pytest.raises(ClipError, match=r"max_bytes in \[clips\]"):
            await Recorder(store).record(cam, 0.2, 0.1, "http")
    assert files(store) == []


async def test_of_seconds_before_that_take_more_than_all_room_the_newest_are_kept(tmp_path: Path) -> None:
    async with watched(cam := camera(Script(padding=8000))):
        limit = cam.ring.bytes * 2 // 3
        store = ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32), ClipLimits(max_bytes=limit))
        oldest = cam.ring.since(0)[0]
        clip = await Recorder(store).record(cam, 60, 30, "http")
        found = shown(store, clip)
        assert len(found) == clip.frames
        assert found[0].timestamp > oldest.timestamp
        assert clip.before > 0
        assert clip.bytes <= limit


async def test_a_server_that_stops_ends_its_recordings_with_what_there_is(store: ClipStore, recorder: Recorder) -> None:
    async with watched(cam := camera(Script())):
        recording = asyncio.create_task(recorder.record(cam, 0.2, 60, "http"))
        await until(lambda: recorder.is_recording(cam))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            await recorder.stop()
        clip = await recording
    assert clip.after < 50
    assert store.clips() == [clip]
