"""Files that another user may have put into the state folder are not followed, changed or waited for."""

import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pi_mjpeg_server.storage.safe_open import UnsafeFileError, opened_folder, read_file, remove_file, resolve_file

NOBODY = 65534
OTHER = 65533

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """End a test that waits for the other end of a FIFO."""

    def end(*_: object) -> None:
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside the state folder, whose content and permissions have to stay."""
    (file := tmp_path / "secret").write_bytes(b"of somebody else")
    file.chmod(0o755)
    return file


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (folder := tmp_path / "state").mkdir()
    return folder


def symbolic_link(file: Path, secret: Path) -> None:
    file.symlink_to(secret)


def relative_link(file: Path, secret: Path) -> None:
    file.symlink_to(Path("..") / secret.name)


def dangling_link(file: Path, secret: Path) -> None:
    file.symlink_to(secret.with_name("none"))


def link_to_itself(file: Path, _secret: Path) -> None:
    file.symlink_to(file)


def hard_link(file: Path, secret: Path) -> None:
    file.hardlink_to(secret)


def fifo(file: Path, _secret: Path) -> None:
    os.mkfifo(file)


def folder(file: Path, _secret: Path) -> None:
    file.mkdir()


def unix_socket(file: Path, _secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(file))


PLANTED = [symbolic_link, relative_link, dangling_link, link_to_itself, hard_link, fifo, folder, unix_socket]


@pytest.mark.parametrize("plant", PLANTED)
def test_what_may_be_planted_is_refused_and_nothing_is_changed(
    state: Path, secret: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(file := state / "token", secret)
    with pytest.raises(UnsafeFileError, match="remove it"):
        read_file(file, 4096, mode=0o600)
    assert permissions(secret) == 0o755
    assert secret.read_bytes() == b"of somebody else"


def test_a_regular_file_is_read_and_given_its_permissions(state: Path) -> None:
    (file := state / "token").write_bytes(b"content")
    file.chmod(0o644)
    assert read_file(file, 7) == b"content"
    assert permissions(file) == 0o644
    assert read_file(file, 7, mode=0o600) == b"content"
    assert permissions(file) == 0o600
    with pytest.raises(ValueError, match="larger than 6 bytes"):
        read_file(file, 6)
    with pytest.raises(FileNotFoundError, match="none"):
        read_file(state / "none", 6)
    with pytest.raises(FileNotFoundError, match="none"):
        read_file(state / "none" / "token", 6)


@as_root
def test_root_uses_the_files_of_the_folders_owner_and_its_own_and_no_others(state: Path) -> None:
    (file := state / "token").write_bytes(b"content")
    os.chown(state, NOBODY, NOBODY)
    assert read_file(file, 100) == b"content"
    os.chown(file, NOBODY, NOBODY)
    assert read_file(file, 100) == b"content"
    os.chown(file, OTHER, OTHER)
    file.chmod(0o755)
    with pytest.raises(UnsafeFileError, match=f"chown {NOBODY} {file}"):
        read_file(file, 100, mode=0o600)
    assert permissions(file) == 0o755


def test_a_missing_folder_is_made_when_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), opened_folder(tmp_path / "a" / "b"):
        pass
    assert not (tmp_path / "a").exists()
    with opened_folder(tmp_path / "a" / "b", create=True) as descriptor:
        assert os.fstat(descriptor).st_ino == (tmp_path / "a" / "b").stat().st_ino
    assert permissions(tmp_path / "a" / "b") == 0o700


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError), opened_folder(path):
            pass


def test_a_removed_link_leaves_what_it_leads_to(state: Path, secret: Path) -> None:
    (state / "token").symlink_to(secret)
    remove_file(state / "token")
    assert not (state / "token").is_symlink()
    assert secret.exists()


def linked(link: Path, target: Path, owner: int) -> Path:
    """Make a link of another user."""
    link.symlink_to(target)
    os.chown(link, owner, owner, follow_symlinks=False)
    return link


@as_root
def test_the_link_that_systemd_makes_for_a_dynamic_user_is_followed(tmp_path: Path) -> None:
    """With DynamicUser=yes, /var/lib/pi-mjpeg is root's link to private/pi-mjpeg, which belongs to the user."""
    (private := tmp_path / "private" / "pi-mjpeg").mkdir(parents=True)
    os.chown(private, NOBODY, NOBODY)
    (private / "token").write_bytes(b"content")
    (tmp_path / "pi-mjpeg").symlink_to("private/pi-mjpeg")
    assert read_file(tmp_path / "pi-mjpeg" / "token", 100) == b"content"


@as_root
@pytest.mark.parametrize("above", [False, True])
def test_another_users_link_leads_root_only_to_the_users_own_folder(tmp_path: Path, *, above: bool) -> None:
    (of_root := tmp_path / "etc").mkdir()
    (of_root / "token").write_bytes(b"root:x:0")
    (own := tmp_path / "own").mkdir()
    (own / "token").write_bytes(b"content")
    os.chown(own, NOBODY, NOBODY)
    if above:
        (tmp_path / "links").mkdir()
        bad = linked(tmp_path / "links" / "bad", tmp_path, NOBODY) / "etc"
        good = linked(tmp_path / "links" / "good", tmp_path, NOBODY) / "own"
    else:
        bad = linked(tmp_path / "bad", of_root, NOBODY)
        good = linked(tmp_path / "good", own, NOBODY)
    with pytest.raises(UnsafeFileError, match=f"symbolic link of the user {NOBODY}"):
        read_file(bad / "token", 100)
    assert read_file(good / "token", 100) == b"content"


@as_root
def test_nothing_is_made_behind_another_users_link(tmp_path: Path) -> None:
    (of_root := tmp_path / "etc").mkdir()
    link = linked(tmp_path / "link", of_root, NOBODY)
    with pytest.raises(FileNotFoundError), opened_folder(link / "new", create=True):
        pass
    assert list(of_root.iterdir()) == []


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"), opened_folder(tmp_path / "a" / "c"):
        pass


def test_a_path_is_resolved_to_the_file_itself(tmp_path: Path) -> None:
    (file := tmp_path / "config.toml").touch()
    (tmp_path / "link").symlink_to(file)
    assert resolve_file(tmp_path / "link") == file
    with pytest.raises(FileNotFoundError):
        resolve_file(tmp_path / "none")


@as_root
def test_another_users_link_to_a_file_of_root_is_not_resolved(tmp_path: Path, secret: Path) -> None:
    with pytest.raises(UnsafeFileError, match="symbolic link"):
        resolve_file(linked(tmp_path / "link", secret, NOBODY))
    os.chown(secret, NOBODY, NOBODY)
    assert resolve_file(tmp_path / "link") == secret


def test_no_descriptor_is_left_open(tmp_path: Path, secret: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (tmp_path / "link").symlink_to(secret)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in (tmp_path / "link", tmp_path / "circle" / "x", tmp_path / "none" / "x", secret / "x", tmp_path):
        with pytest.raises(OSError, match=r"."):
            read_file(path, 10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
