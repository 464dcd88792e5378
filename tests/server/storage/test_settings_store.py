"""The settings are on the disk before anybody is told so, and a damaged file never switches a camera on."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from pi_mjpeg_server.storage import settings_store
from pi_mjpeg_server.storage.settings_store import SettingsStore, UnreadableSettingsError


def test_what_was_saved_is_loaded_and_cameras_that_are_not_named_stay(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "new" / "settings.json")
    assert store.load() == {}
    store.save({"front": False, "shed": True})
    store.save({"front": True, "yard": False})
    assert SettingsStore(tmp_path / "new" / "settings.json").load() == {"front": True, "shed": True, "yard": False}


def test_other_settings_of_a_camera_stay(tmp_path: Path) -> None:
    (file := tmp_path / "settings.json").write_text('{"front": {"enabled": true, "later": [1]}}')
    store = SettingsStore(file)
    store.save({"front": False})
    assert json.loads(file.read_text()) == {"front": {"enabled": False, "later": [1]}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_file_and_its_name_are_on_the_disk_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(f"folder, {(tmp_path / 'settings.json').exists()}" if is_folder else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    SettingsStore(tmp_path / "settings.json").save({"front": False})
    assert synced == ["file", "folder, True"]


def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = errno.EINVAL

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    store = SettingsStore(tmp_path / "settings.json")
    store.save({"front": False})
    assert store.load() == {"front": False}
    number = errno.EIO
    with pytest.raises(OSError, match=os.strerror(number)):
        store.save({"front": False})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 512,
        b"{",
        b"\xff\xfe\xfd",
        b"null",
        b"[]",
        b"true",
        b'"off"',
        b'{"front": true}',
        b'{"front": null}',
        b'{"front": []}',
        b'{"front": {}}',
        b'{"front": {"enabled": "false"}}',
        b'{"front": {"enabled": 0}}',
        b'{"front": {"enabled": null}}',
        b'{"front": {"enabled": true}, "shed": {"enabled": 1}}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b" " * 1_000_001,
    ],
)
def test_a_damaged_file_is_unreadable_until_it_is_written_anew(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "settings.json").write_bytes(content)
    store = SettingsStore(file)
    with pytest.raises(UnreadableSettingsError, match=str(file)):
        store.load()
    store.save({"front": True, "shed": False})
    assert store.load() == {"front": True, "shed": False}


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("on a disk that is not mounted"))


def make_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_folder, make_pipe, make_dangling_link, make_loop])
def test_what_is_no_file_is_unreadable_and_not_missing(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "settings.json")
    with pytest.raises(UnreadableSettingsError):
        SettingsStore(tmp_path / "settings.json").load()


def test_an_error_of_the_disk_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file := tmp_path / "settings.json").write_text("{}")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(settings_store, "read_file", fail)
    with pytest.raises(UnreadableSettingsError):
        SettingsStore(file).load()
