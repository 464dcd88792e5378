"""Kept clips: whole or not there, bounded, and found again after a restart."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.atomic_file import PREFIX
from pi_mjpeg_server.storage.clip import Clip, ClipError, NoRoomError
from pi_mjpeg_server.storage.clips import ClipLimits, ClipStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner

from tests.server.support.clip_files import pictures
from tests.server.support.scripted_camera import grey, level_of

NOW = 1_780_000_000.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """Return the time that the test has set."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_store(folder: Path, clock: Clock, limits: ClipLimits | None = None) -> ClipStore:
    return ClipStore(folder / "clips", UrlSigner(lambda: b"k" * 32), limits, clock)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ClipStore:
    return make_store(tmp_path, clock)


def frames(moment: float, count: int = 10, size: int = 0) -> list[Frame]:
    """Return frames taken a tenth of a second apart, the fifth at `moment`, each of a level of its own."""
    return [
        Frame(grey(20 * (n % 10)) + bytes(size), n, 100 + (n - 5) / 10, moment + (n - 5) / 10) for n in range(count)
    ]


def record(store: ClipStore, moment: float, *, trigger: str = "http", camera: str = "front", size: int = 0) -> Clip:
    draft = store.begin(camera, trigger, moment, 100.0)
    try:
        draft.write(frames(moment, size=size))
    except ClipError:
        draft.discard()
        raise
    return draft.finish()


def read(store: ClipStore, clip: Clip) -> bytes | None:
    file = store.open(clip.id)
    if file is None:
        return None
    with file:
        return file.read()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "clips").iterdir())


def test_the_file_is_the_stream_with_its_times(store: ClipStore) -> None:
    taken = frames(NOW)
    draft = store.begin("front", "http", NOW, 100.0)
    draft.write(taken[:4])
    draft.write(taken[4:])
    clip = draft.finish()
    content = read(store, clip)
    assert content == b"--frame\r\n" + b"".join(frame.part for frame in taken)
    assert (clip.frames, clip.bytes, clip.width, clip.height) == (10, len(content), 64, 48)
    assert (clip.before, clip.after, clip.duration) == pytest.approx((0.5, 0.4, 0.9))
    assert (clip.camera, clip.trigger, clip.time) == ("front", "http", NOW)


def test_it_is_found_again_after_a_restart(store: ClipStore, tmp_path: Path, clock: Clock) -> None:
    clip = record(store, NOW + 0.1234)
    again = make_store(tmp_path, clock)
    (found,) = again.clips("front")
    assert found.time == pytest.approx(clip.time, abs=0.001)
    assert replace(found, time=clip.time, before=clip.before, after=clip.after) == clip
    assert (found.before, found.after) == pytest.approx((clip.before, clip.after), abs=0.001)
    assert again.path(clip.id, "bin") == store.path(clip.id, "bin")
    assert again.thumbnail(clip.id) == store.thumbnail(clip.id)


@pytest.mark.parametrize("cut", [0, 5, 11, 30, 200, -1, -9, -100])
def test_of_a_clip_that_was_not_finished_only_the_whole_part_is_kept(
    store: ClipStore, tmp_path: Path, clock: Clock, cut: int
) -> None:
    draft = store.begin("front", "motion", NOW, 100.0)
    draft.write(frames(NOW))
    (name,) = names(tmp_path)
    assert name.startswith(PREFIX)
    path = tmp_path / "clips" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] if cut else b"")
    again = make_store(tmp_path, clock)
    clip = again.latest("front")
    if 0 <= cut < 300:
        assert clip is None
        assert names(tmp_path) == []
        return
    assert clip is not None
    content = read(again, clip)
    assert content is not None
    assert len(pictures(content)) == clip.frames == 9
    assert names(tmp_path) == [name.removeprefix(PREFIX)]


def test_garbage_in_the_middle_ends_the_clip_there(store: ClipStore, tmp_path: Path, clock: Clock) -> None:
    clip = record(store, NOW)
    path = tmp_path / "clips" / f"{clip.id}.http.mjpeg"
    content = bytearray(path.read_bytes())
    at = len(content) // 2
    content[at : at + 2000] = bytes(2000)
    path.write_bytes(content)
    again = make_store(tmp_path, clock)
    found = again.latest("front")
    assert found is not None
    cut = read(again, found)
    assert cut is not None
    assert 1 <= len(pictures(cut)) == found.frames < 10


def test_files_of_others_are_left_alone(store: ClipStore, tmp_path: Path, clock: Clock) -> None:
    record(store, NOW)
    folder = tmp_path / "clips"
    (folder / "notes.txt").write_text("mine")
    (folder / "front-20261126T051500123Z-ab12cd34.other.mjpeg").write_text("of another kind")
    secret = tmp_path / "secret"
    secret.write_bytes(b"--frame\r\n" + frames(NOW)[0].part)
    (folder / "front-20261126T051500123Z-ab12cd34.http.mjpeg").symlink_to(secret)
    again = make_store(tmp_path, clock)
    assert len(again.clips()) == 1
    assert (folder / "notes.txt").exists()
    assert secret.read_bytes().startswith(b"--frame")


def test_a_clock_that_is_set_meanwhile_makes_no_clip_of_hours(store: ClipStore) -> None:
    taken = frames(NOW)
    taken[5:] = [replace(frame, timestamp=frame.timestamp + 7200) for frame in taken[5:]]
    draft = store.begin("front", "http", NOW, 100.0)
    draft.write(taken)
    clip = draft.finish()
    assert (clip.before, clip.after, clip.duration) == pytest.approx((0.5, 0.4, 0.9))


def test_the_oldest_go_first_by_number(tmp_path: Path, clock: Clock) -> None:
    store = make_store(tmp_path, clock, ClipLimits(max_count=3))
    clips = [record(store, NOW + n, camera=("front", "back")[n % 2]) for n in range(7)]
    assert [clip.id for clip in store.clips()] == [clip.id for clip in clips[:3:-1]]
    assert len(names(tmp_path)) == 3
    assert read(store, clips[3]) is None


@pytest.mark.parametrize("limits", [ClipLimits(max_count=3), ClipLimits(max_bytes=60_000), ClipLimits(max_age=4)])
def test_limits_that_became_smaller_count_from_the_next_start_on(
    tmp_path: Path, clock: Clock, limits: ClipLimits
) -> None:
    before = make_store(tmp_path, clock)
    clips = [record(before, NOW + n, size=2000) for n in range(7)]
    clock.now = NOW + 8
    store = make_store(tmp_path, clock, limits)
    store.load()
    kept = len(names(tmp_path))
    assert 1 <= kept <= 3
    assert [clip.id for clip in store.clips()] == [clip.id for clip in clips[: -kept - 1 : -1]]


def test_only_some_thumbnails_are_in_memory_and_all_can_be_had(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pi_mjpeg_server.storage.clips.MAX_THUMBNAILS", 3)
    clips = [record(store, NOW + n) for n in range(8)]
    for clip in clips + clips[::-1]:
        assert store.thumbnail(clip.id)
        assert len(store._thumbnails) <= 3  # noqa: SLF001  (only memory tells)


def test_the_oldest_go_first_by_bytes_and_the_folder_never_takes_more(tmp_path: Path, clock: Clock) -> None:
    limit = 200_000
    store = make_store(tmp_path, clock, ClipLimits(max_bytes=limit))
    for n in range(20):
        clip = record(store, NOW + n, size=n * 800)
        on_disk = sum(path.stat().st_size for path in (tmp_path / "clips").iterdir())
        assert on_disk == store.total_bytes() <= limit
        latest = store.latest("front")
        assert latest is not None
        assert latest.id == clip.id


def test_they_go_by_age(store: ClipStore, clock: Clock, tmp_path: Path) -> None:
    record(store, NOW)
    clock.now += 6 * 24 * 3600
    newer = record(store, clock.now)
    clock.now += 2 * 24 * 3600
    assert [clip.id for clip in store.clips()] == [newer.id]
    assert len(names(tmp_path)) == 1


def test_a_clock_that_was_set_back_makes_no_new_clip_the_oldest(tmp_path: Path, clock: Clock) -> None:
    store = make_store(tmp_path, clock, ClipLimits(max_count=3))
    for n in range(3):
        record(store, NOW + 1e7 + n)
    clip = record(store, NOW)
    assert store.latest("front") == clip


def test_a_day_of_motion_at_the_limits_is_bounded(tmp_path: Path, clock: Clock) -> None:
    limits = ClipLimits(max_bytes=300_000, max_age=3600, max_count=12)
    store = make_store(tmp_path, clock, limits)
    draws = random.Random(1)  # noqa: S311  (sizes and times)
    open_files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (no disk)
    while clock.now < NOW + 24 * 3600:
        clock.now += draws.uniform(60, 900)
        record(store, clock.now, trigger="motion", size=draws.randrange(6000))
        on_disk = [path.stat().st_size for path in (tmp_path / "clips").iterdir()]
        assert sum(on_disk) <= limits.max_bytes
        assert len(on_disk) <= limits.max_count
        assert all(clock.now - clip.time <= limits.max_age for clip in store.clips())
    assert len(os.listdir("/proc/self/fd")) == open_files  # noqa: PTH208
    assert len(store._thumbnails) == len(store.clips())  # noqa: SLF001


def test_a_flood_over_mqtt_takes_at_most_half(tmp_path: Path, clock: Clock) -> None:
    store = make_store(tmp_path, clock, ClipLimits(max_bytes=200_000, max_count=20))
    kept = [record(store, NOW + n, size=500) for n in range(8)]
    flood = [record(store, NOW + 100 + n, trigger="mqtt", size=500) for n in range(50)]
    assert all(read(store, clip) for clip in kept)
    assert read(store, flood[-1])
    assert sum(clip.trigger == "mqtt" for clip in store.clips()) <= 10


def test_a_clip_that_is_larger_than_all_room_is_refused_and_deletes_nothing(tmp_path: Path, clock: Clock) -> None:
    store = make_store(tmp_path, clock, ClipLimits(max_bytes=60_000))
    kept = record(store, NOW)
    with pytest.raises(NoRoomError, match="max_bytes"):
        record(store, NOW + 1, size=10_000)
    assert read(store, kept)
    assert len(names(tmp_path)) == 1


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_disk_error_is_a_clear_error_and_loses_nothing_else(store: ClipStore, tmp_path: Path) -> None:
    kept = record(store, NOW)
    with files_of_at_most(20_000), pytest.raises(ClipError, match=r"could not be kept in .*: File too large"):
        record(store, NOW + 1, size=10_000)
    assert names(tmp_path) == [f"{kept.id}.http.mjpeg"]
    assert read(store, kept)
    record(store, NOW + 2)


def test_what_was_written_before_a_disk_error_is_whole(store: ClipStore) -> None:
    draft = store.begin("front", "http", NOW, 100.0)
    taken = frames(NOW)
    draft.write(taken[:3])
    with files_of_at_most(draft.bytes + 1500), pytest.raises(ClipError):
        draft.write(taken[3:])
    assert draft.finish().frames == 3
    content = read(store, store.clips()[0])
    assert content is not None
    assert len(pictures(content)) == 3


def test_a_full_disk_deletes_nothing(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = record(store, NOW)
    usual = os.statvfs("/")
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*usual[:4], 10, *usual[5:])))
    with pytest.raises(ClipError, match="disk is full"):
        record(store, NOW + 1)
    assert read(store, kept)


def test_a_folder_that_cannot_be_made_is_a_clear_error(store: ClipStore, tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("a file where the folder should be")
    with pytest.raises(ClipError, match="could not be kept"):
        store.begin("front", "http", NOW, 100.0)


def test_a_clip_without_pictures_or_with_damaged_ones_is_none(store: ClipStore, tmp_path: Path) -> None:
    draft = store.begin("front", "http", NOW, 100.0)
    with pytest.raises(ClipError, match="no picture"):
        draft.finish()
    draft = store.begin("front", "http", NOW, 100.0)
    draft.write([replace(frame, jpeg=b"\xff\xd8 nothing") for frame in frames(NOW)])
    with pytest.raises(ClipError, match="damaged"):
        draft.finish()
    assert names(tmp_path) == []


def test_the_thumbnail_shows_the_moment_of_most_change(store: ClipStore) -> None:
    still, moved = grey(40, (640, 480)), grey(220, (640, 480))
    draft = store.begin("front", "http", NOW, 100.0)
    draft.write([Frame(moved if n == 20 else still, n, 100 + n / 10, NOW + n / 10) for n in range(30)])
    thumbnail = store.thumbnail(draft.finish().id)
    assert thumbnail is not None
    assert level_of(thumbnail) == pytest.approx(220, abs=3)


def test_a_signature_is_valid_for_one_clip_and_kind(store: ClipStore) -> None:
    clip, other = record(store, NOW), record(store, NOW + 1)
    signature = store.path(clip.id, "bin").partition("sig=")[2]
    assert store.is_signed(clip.id, "bin", signature)
    assert not store.is_signed(clip.id, "jpg", signature)
    assert not store.is_signed(other.id, "bin", signature)
    assert not store.is_signed(clip.id, "bin", "")
    assert not store.is_signed("../secret", "bin", signature)


_WRITE_FOREVER = """
import sys, time
from pathlib import Path
from tests.server.storage.test_clips import Clock, frames, make_store
store = make_store(Path(sys.argv[1]), Clock())
print("ready", flush=True)
for number in range(100000):
    moment = 1_780_000_000.0 + number
    draft = store.begin("front", "http", moment, 100.0)
    for frame in frames(moment, 40, 30_000):
        draft.write([frame])
    draft.finish()
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_leaves_playable_clips_or_none(tmp_path: Path, seed: int) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", _WRITE_FOREVER, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root / 'server'}"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=root)  # noqa: S603
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.0, 0.15))  # noqa: S311  (a moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = make_store(tmp_path, Clock())
    for clip in store.clips():
        content = read(store, clip)
        assert content is not None
        assert len(content) == clip.bytes
        assert len(pictures(content)) == clip.frames > 0
    assert not [name for name in names(tmp_path) if name.startswith(PREFIX)]
    assert len(names(tmp_path)) == len(store.clips())
