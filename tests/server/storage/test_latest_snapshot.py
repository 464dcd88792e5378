"""The last kept snapshot of a camera is read from the disk: after a restart, a deletion, a rotation, a power cut."""

import os
import time
from pathlib import Path

import pytest
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore

from tests.server.support.scripted_camera import grey

AN_HOUR = 3600


def make_store(folder: Path) -> SnapshotStore:
    return SnapshotStore(folder / "snapshots", UrlSigner(lambda: b"k" * 32))


def frame(picture: bytes, timestamp: float) -> Frame:
    return Frame(picture, 1, time.monotonic(), timestamp)


def age(folder: Path) -> None:
    """Make the folder look as if nothing had changed in it for an hour."""
    os.utime(folder, (time.time() - AN_HOUR, time.time() - AN_HOUR))


async def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert make_store(tmp_path).latest("front") is None
    (tmp_path / "snapshots").mkdir()
    assert make_store(tmp_path).latest("front") is None


async def test_it_is_the_one_that_was_saved_last_and_there_after_a_restart(tmp_path: Path) -> None:
    store, now = make_store(tmp_path), time.time()
    for seconds in (3, 2, 1):
        saved = await store.save("front", frame(grey(9), now - seconds), "http")
        await store.save("front_2", frame(grey(9, (32, 24)), now), "http")
        for each in (store, make_store(tmp_path)):
            latest = each.latest("front")
            assert latest is not None
            assert int(latest.time * 1000) == int(saved.time * 1000)
            assert (latest.id, latest.path, latest.camera) == (saved.id, saved.path, "front")
            assert (latest.width, latest.height, latest.bytes) == (64, 48, len(grey(9)))


async def test_a_deleted_file_is_noticed_at_once(tmp_path: Path) -> None:
    store, now = make_store(tmp_path), time.time()
    first = await store.save("front", frame(grey(1), now - 1), "http")
    second = await store.save("front", frame(grey(2), now), "http")
    for settled in (False, True):
        if settled:
            age(tmp_path / "snapshots")
        latest = store.latest("front")
        assert latest is not None
        assert latest.id == second.id
    (tmp_path / "snapshots" / f"{second.id}.jpg").unlink()
    latest = store.latest("front")
    assert latest is not None
    assert latest.id == first.id
    (tmp_path / "snapshots" / f"{first.id}.jpg").unlink()
    assert store.latest("front") is None
    (tmp_path / "snapshots").rmdir()
    assert store.latest("front") is None


async def test_a_change_right_after_the_folder_was_listed_is_noticed(tmp_path: Path) -> None:
    """The kernel's clock for files ticks every few milliseconds: two changes may have the same time."""
    store = make_store(tmp_path)
    for number in range(50):
        saved = await store.save("front", frame(grey(number), time.time() + number / 100), "http")
        latest = store.latest("front")
        assert latest is not None
        assert latest.id == saved.id
        (tmp_path / "snapshots" / f"{saved.id}.jpg").unlink()
        latest = store.latest("front")
        assert latest is None


async def test_nothing_is_read_again_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path)
    await store.save("front", frame(grey(1), time.time()), "http")
    age(tmp_path / "snapshots")
    assert store.latest("front") is not None
    assert store.latest("shed") is None

    def fail(*_: object) -> None:
        pytest.fail("the disk is read")

    monkeypatch.setattr(Path, "glob", fail)
    monkeypatch.setattr(Path, "read_bytes", fail)
    assert store.latest("front") is not None
    assert store.latest("shed") is None


async def test_a_rotated_token_changes_its_signature(tmp_path: Path) -> None:
    token = AccessToken(tmp_path / "token")
    store = SnapshotStore(tmp_path / "snapshots", UrlSigner(lambda: token.key("snapshots")))
    saved = await store.save("front", frame(grey(1), time.time()), "http")
    age(tmp_path / "snapshots")
    before = store.latest("front")
    assert before is not None
    assert before.path == saved.path
    token.rotate()
    after = store.latest("front")
    assert after is not None
    assert after.path != saved.path
    opened = await store.open(after.id, after.path.partition("?sig=")[2])
    assert opened is not None
    opened.close()


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", grey(1)[:-2], b"no JPEG"])
async def test_a_file_that_a_power_cut_has_cut_off_is_passed_over(tmp_path: Path, content: bytes) -> None:
    store, now = make_store(tmp_path), time.time()
    whole = await store.save("front", frame(grey(1), now - 1), "http")
    cut = await store.save("front", frame(grey(1), now), "http")
    (tmp_path / "snapshots" / f"{cut.id}.jpg").write_bytes(content)
    latest = make_store(tmp_path).latest("front")
    assert latest is not None
    assert latest.id == whole.id


@pytest.mark.parametrize(
    "name",
    ["front-99999999T999999999Z-00000000.jpg", "front.jpg", ".unfinished-front-x", "front-20260101T000000000Z-0.jpg"],
)
async def test_other_files_in_the_folder_are_passed_over(tmp_path: Path, name: str) -> None:
    store = make_store(tmp_path)
    saved = await store.save("front", frame(grey(1), time.time()), "http")
    (tmp_path / "snapshots" / name).write_bytes(grey(2))
    latest = store.latest("front")
    assert latest is not None
    assert latest.id == saved.id


async def test_one_from_before_the_clock_was_set_back_is_older(tmp_path: Path) -> None:
    store, now = make_store(tmp_path), time.time()
    await store.save("front", frame(grey(1), now + AN_HOUR), "http")
    saved = await store.save("front", frame(grey(2), now), "http")
    latest = store.latest("front")
    assert latest is not None
    assert latest.id == saved.id


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 48)), (3, (64, 48)), (6, (48, 64)), (8, (48, 64))])
async def test_its_size_is_that_of_the_upright_picture(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    store = make_store(tmp_path)
    saved = await store.save("front", frame(jpeg.with_orientation(grey(1), orientation), time.time()), "http")
    latest = store.latest("front")
    assert latest is not None
    assert (saved.width, saved.height) == (latest.width, latest.height) == size
