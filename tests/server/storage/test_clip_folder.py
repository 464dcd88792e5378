"""Where clips are kept by default."""

import os
from pathlib import Path

import pytest
from pi_mjpeg_server.storage import clip_folder
from pi_mjpeg_server.storage.clip_folder import default_clip_folder


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /dev/shm."""
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(clip_folder, "_SHARED_MEMORY", folder)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    return folder


def test_it_is_in_memory(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    folder = default_clip_folder(state)
    assert folder.parent.parent == shared
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert default_clip_folder(tmp_path / "other") != folder == default_clip_folder(state)
    run = tmp_path / "run"
    run.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    assert default_clip_folder(state).parent.parent == run
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/pi-mjpeg:/run/another")
    assert default_clip_folder(state) == Path("/run/pi-mjpeg/clips")


@pytest.mark.parametrize("kind", ["link", "file", "writable", "missing"])
def test_a_folder_that_somebody_else_may_have_made_is_not_used(
    tmp_path: Path, shared: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    state = tmp_path / "state"
    path = default_clip_folder(state).parent
    path.rmdir()
    (tmp_path / "theirs").mkdir()
    if kind == "link":
        path.symlink_to(tmp_path / "theirs")
    elif kind == "file":
        path.write_text("")
    elif kind == "writable":
        path.mkdir()
        path.chmod(0o777)
    else:
        os.rename(shared, tmp_path / "gone")  # noqa: PTH104  (the folder of a fixture)
    assert default_clip_folder(state) == state / "clips"
    assert "no folder in memory" in caplog.text
