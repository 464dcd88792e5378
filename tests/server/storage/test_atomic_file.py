"""A file that is written atomically has its old content or its new one, whatever happens."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pi_mjpeg_server.storage.atomic_file import PREFIX, remove_unfinished, write_atomically


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_writes_a_new_file_and_replaces_an_old_one(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "file"
    for data in (b"first" * 1000, b"second", b""):
        write_atomically(file, data)
        assert file.read_bytes() == data
        assert [path.name for path in file.parent.iterdir()] == ["file"]
    assert mode(file.parent) == 0o700


def test_a_reader_keeps_the_content_that_it_has_opened(tmp_path: Path) -> None:
    write_atomically(file := tmp_path / "file", b"old")
    with file.open("rb") as reader:
        write_atomically(file, b"new")
        assert reader.read() == b"old"
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_umask_does_not_change_the_permissions(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "secret", b"x")
        write_atomically(tmp_path / "public", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "secret") == 0o600
    assert mode(tmp_path / "public") == 0o644


def test_permissions_of_the_old_file_are_not_inherited(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(b"old")
    file.chmod(0o666)
    write_atomically(file, b"new")
    assert mode(file) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65533)
    write_atomically(tmp_path / "file", b"x")
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)
    assert mode(tmp_path / "file") == 0o600


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (target := tmp_path / "target").write_bytes(b"of somebody else")
    target.chmod(0o755)
    (file := tmp_path / "file").symlink_to(target)
    write_atomically(file, b"new")
    assert not file.is_symlink()
    assert file.read_bytes() == b"new"
    assert target.read_bytes() == b"of somebody else"
    assert mode(target) == 0o755


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    # A limit on the size of files fails a write half-way, as a full disk does (setrlimit(2)).
    script = """
        import resource, signal, sys
        from pathlib import Path
        from pi_mjpeg_server.storage.atomic_file import write_atomically

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_atomically(Path(sys.argv[1]), b"x" * 100_000)
        except OSError as error:
            print(error.errno)
    """
    (file := tmp_path / "file").write_bytes(b"old")
    assert _run(script, file).stdout.decode().strip() == str(errno.EFBIG)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "fchmod", "fchown"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EPERM])
def test_an_error_of_any_call_leaves_the_old_file_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (file := tmp_path / "file").write_bytes(b"old")
    if call == "fchown":
        if os.geteuid() != 0:
            pytest.skip("only root gives files to the owner of their folder")
        os.chown(tmp_path, 65534, 65533)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        write_atomically(file, b"new")
    assert raised.value.errno == number
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (folder := tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(folder, b"x")
    assert list(tmp_path.rglob("*")) == [folder]
    (file := tmp_path / "file").write_bytes(b"")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        write_atomically(file / "below", b"x")
    assert sorted(tmp_path.rglob("*")) == [file, folder]


def test_an_interruption_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_the_old_file_and_what_is_left_over_can_be_removed(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from pi_mjpeg_server.storage.atomic_file import write_atomically

        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(Path(sys.argv[1]), b"new")
    """
    (file := tmp_path / "file").write_bytes(b"old")
    (tmp_path / ".hidden").write_bytes(b"of another program")
    assert _run(script, file).returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"
    left = [path for path in tmp_path.iterdir() if path.name not in {"file", ".hidden"}]
    assert [path.name.startswith(PREFIX) for path in left] == [True]
    assert mode(left[0]) == 0o600
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "file"]
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"


def test_there_is_nothing_to_remove_where_there_is_no_folder(tmp_path: Path) -> None:
    remove_unfinished(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_the_disk_before_it_has_its_name_unless_that_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced = []

    def sync(_: int) -> None:
        [unfinished] = tmp_path.iterdir()
        synced.append((unfinished.name.startswith(PREFIX), unfinished.read_bytes()))

    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(tmp_path / "file", b"new")
    assert synced == [(True, b"new")]
    write_atomically(tmp_path / "file", b"newer", sync=False)
    assert len(synced) == 1
    assert (tmp_path / "file").read_bytes() == b"newer"


def _run(script: str, file: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(script), str(file)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603
