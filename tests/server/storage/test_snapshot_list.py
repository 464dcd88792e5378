"""The list of the kept snapshots of a camera: the newest first, of both triggers, and only what can be read."""

import time
from pathlib import Path

import pytest
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import MAX_PER_CAMERA, SnapshotStore

from tests.server.support.scripted_camera import grey


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots", UrlSigner(lambda: b"k" * 32))


def frame(picture: bytes, timestamp: float) -> Frame:
    return Frame(picture, 1, time.monotonic(), timestamp)


def ids(store: SnapshotStore, camera: str = "front") -> list[str]:
    return [snapshot.id for snapshot in store.snapshots(camera)]


async def test_it_has_those_of_both_triggers_and_of_no_other_camera(store: SnapshotStore) -> None:
    assert ids(store) == []
    now = time.time()
    await store.save("front_2", frame(grey(1), now), "http")
    saved = [
        await store.save("front", frame(grey(1), now - 9 + number), ("http", "mqtt")[number % 2]) for number in range(4)
    ]
    listed = store.snapshots("front")
    assert [each.id for each in listed] == [each.id for each in reversed(saved)]
    assert [(each.path, each.width, each.height, each.bytes) for each in listed] == [
        (each.path, 64, 48, len(grey(1))) for each in reversed(saved)
    ]


async def test_it_is_bounded_by_what_is_kept(store: SnapshotStore) -> None:
    now = time.time()
    for number in range(MAX_PER_CAMERA + 3):
        for trigger in ("http", "mqtt"):
            await store.save("front", frame(grey(1), now - 99 + number), trigger)
    assert len(ids(store)) == 2 * MAX_PER_CAMERA


async def test_what_is_deleted_or_cut_off_is_left_out(store: SnapshotStore, tmp_path: Path) -> None:
    now = time.time()
    whole, deleted, cut = [await store.save("front", frame(grey(1), now - 9 + n), "http") for n in range(3)]
    folder = tmp_path / "snapshots"
    (folder / f"{cut.id}.jpg").write_bytes(grey(1)[:-2])
    (folder / "front-99999999T999999999Z-00000000.jpg").write_bytes(grey(1))
    (folder / "front-20260101T000000000Z-00000000.jpg").mkdir()
    assert ids(store) == [deleted.id, whole.id]
    (folder / f"{deleted.id}.jpg").unlink()
    assert ids(store) == [whole.id]


async def test_one_from_before_the_clock_was_set_back_is_older(store: SnapshotStore) -> None:
    now = time.time()
    future = await store.save("front", frame(grey(1), now + 3600), "http")
    present = await store.save("front", frame(grey(1), now), "http")
    assert ids(store) == [present.id, future.id]


async def test_each_file_is_read_once(store: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for number in range(3):
        await store.save("front", frame(grey(1), now - 9 + number), "http")
    measured: list[int] = []
    upright_size = jpeg.upright_size

    def count(picture: bytes) -> tuple[int, int]:
        measured.append(1)
        return upright_size(picture)

    monkeypatch.setattr(jpeg, "upright_size", count)
    assert len(ids(store)) == len(ids(store)) == len(measured) == 3
    await store.save("front", frame(grey(1), now), "http")
    del measured[:]
    assert len(ids(store)) == 4
    assert len(measured) == 1
