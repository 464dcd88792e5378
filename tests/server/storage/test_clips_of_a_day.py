"""A day of motion at the limits: the storage stays bounded, the oldest clips go, and nothing leaks."""

import errno
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from pi_mjpeg_server.storage import clips
from pi_mjpeg_server.storage.clip import ClipError, NoRoomError, make_thumbnail
from pi_mjpeg_server.storage.clip_file import ClipWriter, Part
from pi_mjpeg_server.storage.clips import ClipLimits, ClipStore

from tests.server.storage.test_clips import NOW, Clock, frames, make_store, names, record

A_DAY = 24 * 3600


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  (a number is wanted)


def test_storage_is_bounded_and_nothing_leaks(tmp_path: Path, clock: Clock) -> None:
    limits = ClipLimits(max_bytes=300_000, max_age=2 * 3600, max_count=20)
    store, draws = make_store(tmp_path, clock, limits), random.Random(1)  # noqa: S311  (a day)
    before, recorded = open_files(), []
    while clock.now < NOW + A_DAY:
        # Quiet hours, and busy ones.
        clock.now += draws.choice((20, 60, 60, 300, 7000))
        camera, trigger = draws.choice(("front", "yard")), draws.choice(("motion", "motion", "http", "mqtt"))
        recorded.append(record(store, clock.now, trigger=trigger, camera=camera, size=draws.randrange(2000)))
        if draws.random() < 0.2:
            abandoned = store.begin(camera, trigger, clock.now, 100.0)
            abandoned.write(frames(clock.now, 3))
            abandoned.discard()
        kept = store.clips()
        files = {path.name: path.stat().st_size for path in store.folder.iterdir()}
        assert sum(files.values()) == store.total_bytes() <= limits.max_bytes
        assert len(kept) == len(files) <= limits.max_count
        of_broker = [clip for clip in kept if clip.trigger == "mqtt"]
        assert len(of_broker) <= limits.max_count // 2
        assert sum(clip.bytes for clip in of_broker) <= limits.max_bytes // 2
        assert all(clip.time >= clock.now - limits.max_age for clip in kept)
        # What is kept are the last of those that were recorded, unless the broker asked for them.
        others = [clip for clip in recorded if clip.trigger != "mqtt"]
        left = [clip for clip in reversed(kept) if clip.trigger != "mqtt"]
        assert left == others[len(others) - len(left) :]
        for clip in kept[-1:]:
            assert store.thumbnail(clip.id)
    assert len(recorded) > 50
    assert open_files() == before
    clock.now += limits.max_age + 1
    assert store.clips() == []
    assert names(tmp_path) == []
    assert store.total_bytes() == 0
    assert not any(store.thumbnail(clip.id) for clip in recorded)


@pytest.mark.parametrize("limits", [ClipLimits(max_bytes=150_000), ClipLimits(max_count=8)])
def test_a_flood_over_mqtt_takes_half_and_pushes_out_nothing_else(
    tmp_path: Path, clock: Clock, limits: ClipLimits
) -> None:
    store = make_store(tmp_path, clock, limits)
    others = [record(store, NOW + number, trigger=("http", "motion")[number % 2]) for number in range(3)]
    flood = [record(store, NOW + 10 + number, trigger="mqtt", size=500) for number in range(30)]
    kept = store.clips()
    assert [clip for clip in reversed(kept) if clip.trigger != "mqtt"] == others
    of_broker = [clip for clip in reversed(kept) if clip.trigger == "mqtt"]
    assert of_broker == flood[len(flood) - len(of_broker) :]
    assert 1 < len(of_broker) <= limits.max_count // 2
    assert sum(clip.bytes for clip in of_broker) <= limits.max_bytes // 2


def test_what_two_recordings_are_about_to_write_is_counted(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path, clock, ClipLimits(max_bytes=100_000))
    one, other = (store.begin("front", "http", NOW, 100.0) for _ in range(2))
    store.make_room(one, 60_000)
    with pytest.raises(NoRoomError):
        store.make_room(other, 60_000)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # What could not be written takes no room any more.
    monkeypatch.setattr(ClipWriter, "write", fail)
    with pytest.raises(Exception, match="No space left"):
        one.write(frames(NOW))
    assert (one.bytes, store.total_bytes()) == (0, 0)
    store.make_room(other, 60_000)
    one.discard()
    other.discard()


def test_a_disk_that_takes_nothing_ends_the_clip(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = make_store(tmp_path, clock).begin("front", "http", NOW, 100.0)
    calls: list[int] = []

    def take_nothing(*_: object) -> int:
        calls.append(1)
        assert len(calls) < 9
        return 0

    monkeypatch.setattr(os, "pwritev", take_nothing)
    with pytest.raises(ClipError, match="nothing can be written"):
        draft.write(frames(NOW))
    draft.discard()


def test_a_clip_that_was_deleted_leaves_no_thumbnail_behind(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = record(make_store(tmp_path, clock), NOW)
    store: ClipStore = make_store(tmp_path, clock)

    def make_and_delete(descriptor: int, parts: Sequence[Part]) -> bytes:
        thumbnail = make_thumbnail(descriptor, parts)
        store.delete(clip.id)
        return thumbnail

    # It is deleted while somebody waits for its thumbnail, and after that.
    monkeypatch.setattr(clips, "make_thumbnail", make_and_delete)
    assert store.thumbnail(clip.id)
    assert store._thumbnails == {}  # noqa: SLF001  (memory that nobody sees)
    assert store.thumbnail(clip.id) is None
    monkeypatch.undo()
    again = record(store, NOW)
    assert store.thumbnail(again.id)
    store.delete(again.id)
    assert store._thumbnails == {}  # noqa: SLF001  (likewise)


def test_a_clip_that_grew_too_old_cannot_be_opened_also_if_nobody_lists_them(tmp_path: Path, clock: Clock) -> None:
    store = make_store(tmp_path, clock, ClipLimits(max_age=60))
    clip = record(store, NOW)
    clock.now += 61
    assert store.open(clip.id) is None
    assert names(tmp_path) == []
