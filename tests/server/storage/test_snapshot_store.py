"""Kept snapshots: each trigger has a share of its own, and the last one is found again after a restart."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import MAX_PER_CAMERA, Snapshot, SnapshotStore

from tests.server.support.scripted_camera import grey, level_of

JPEGS = [grey(level) for level in range(0, 250, 10)]


class Clock:
    """Frames that are taken a millisecond apart."""

    def __init__(self, start: float) -> None:
        self.now = start
        self.count = 0

    def frame(self) -> Frame:
        """Return the next frame."""
        self.now += 0.001
        self.count += 1
        return Frame(JPEGS[self.count % len(JPEGS)], self.count, 0.0, self.now, drawn=False)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 15, 12, tzinfo=UTC).timestamp())


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots", UrlSigner(lambda: b"k" * 32))


async def read(store: SnapshotStore, snapshot: Snapshot) -> bytes | None:
    file = await store.open(snapshot.id, snapshot.path.partition("sig=")[2])
    if file is None:
        return None
    with file:
        return file.read()


async def test_a_flood_over_mqtt_removes_nothing_that_was_kept_over_http(
    store: SnapshotStore, clock: Clock, tmp_path: Path
) -> None:
    kept = [await store.save("front", clock.frame(), "http") for _ in range(MAX_PER_CAMERA)]
    flood = [await store.save("front", clock.frame(), "mqtt") for _ in range(3000)]
    for snapshot in (*kept, *flood[-MAX_PER_CAMERA:]):
        content = await read(store, snapshot)
        assert content is not None
        assert len(content) == snapshot.bytes
        level_of(content)
    assert await read(store, flood[0]) is None
    assert len(list((tmp_path / "snapshots").rglob("*.jpg"))) == 2 * MAX_PER_CAMERA


async def test_nor_does_a_flood_over_http_remove_what_was_kept_over_mqtt(store: SnapshotStore, clock: Clock) -> None:
    kept = await store.save("front", clock.frame(), "mqtt")
    flood = [await store.save("front", clock.frame(), "http") for _ in range(2 * MAX_PER_CAMERA)]
    assert await read(store, kept) is not None
    assert await read(store, flood[0]) is None


async def test_the_last_snapshot_is_found_by_the_next_process(
    store: SnapshotStore, clock: Clock, tmp_path: Path
) -> None:
    assert await store.last("front") is None
    saved = {}
    for trigger in ("http", "mqtt", "http", "mqtt"):
        saved[trigger] = await store.save("front", clock.frame(), trigger)
        saved["other"] = await store.save("front_2", clock.frame(), "http")
        again = SnapshotStore(tmp_path / "snapshots", UrlSigner(lambda: b"k" * 32))
        found = await again.last("front")
        assert found is not None
        snapshot, found_trigger = found
        assert found_trigger == trigger
        assert snapshot.time == pytest.approx(saved[trigger].time, abs=0.001)
        expected = saved[trigger]
        assert (snapshot.id, snapshot.path, snapshot.width, snapshot.height, snapshot.bytes) == (
            expected.id,
            expected.path,
            expected.width,
            expected.height,
            expected.bytes,
        )
    other = await store.last("front_2")
    assert other is not None
    assert other[0].id == saved["other"].id


async def test_what_is_no_picture_or_of_the_future_is_not_the_last_snapshot(
    store: SnapshotStore, tmp_path: Path
) -> None:
    saved = await store.save("front", Clock(time.time() - 10).frame(), "http")
    folder = tmp_path / "snapshots"
    (folder / "front-20990101T000000000Z-9f3a61c2.jpg").write_bytes(grey(9))
    (folder / f"front-{datetime.now(UTC):%Y%m%dT%H%M%S}000Z-9f3a61c2.jpg").write_bytes(b"cut off by a power cut")
    (folder / "front-20261399T999999999Z-9f3a61c2.jpg").write_bytes(grey(9))
    (folder / "front-notes.jpg").write_bytes(grey(9))
    found = await store.last("front")
    assert found is not None
    assert found[0].id == saved.id


async def test_those_of_the_future_are_deleted_first_and_other_files_never(
    store: SnapshotStore, clock: Clock, tmp_path: Path
) -> None:
    """The clock of a Pi may have been set back, and a person may keep files of their own beside the snapshots."""
    folder = tmp_path / "snapshots"
    first = await store.save("front", clock.frame(), "http")
    ahead = folder / "front-20990101T000000000Z-9f3a61c2.jpg"
    foreign = [folder / name for name in ("front-notes.jpg", "front-20260101T000000000Z.jpg", "front-0.jpg")]
    for path in (ahead, *foreign):
        path.write_bytes(grey(9))
    for _ in range(MAX_PER_CAMERA - 1):
        await store.save("front", clock.frame(), "http")
    assert not ahead.exists()
    assert await read(store, first) is not None
    await store.save("front", clock.frame(), "http")
    assert await read(store, first) is None
    assert all(path.exists() for path in foreign)
