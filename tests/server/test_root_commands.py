"""What root types in the folder of the service's user follows nothing that this user may have put there."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pi_mjpeg_server.system import identity

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be tricked")


def pi_mjpeg(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command and return how it ended; it must not wait for anything."""
    command = [sys.executable, "-m", "pi_mjpeg_server", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A program of root that everybody uses."""
    (file := tmp_path / "program").write_text("a-program-of-root-that-is-long-enough-for-a-token")
    file.chmod(0o755)
    return file


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder, of the service's user."""
    (folder := tmp_path / "state").mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


def link(file: Path, target: Path) -> None:
    file.symlink_to(target)
    os.chown(file, NOBODY, NOBODY, follow_symlinks=False)


def hard_link(file: Path, target: Path) -> None:
    file.hardlink_to(target)


def fifo(file: Path, _target: Path) -> None:
    os.mkfifo(file)
    os.chown(file, NOBODY, NOBODY)


def file_of_another_user(file: Path, _target: Path) -> None:
    file.write_text("a-token-that-is-long-enough")
    os.chown(file, NOBODY - 1, NOBODY - 1)


PLANTED = [link, hard_link, fifo, file_of_another_user]
Plant = Callable[[Path, Path], None]


def assert_untouched(target: Path) -> None:
    status = target.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o755, 0)
    assert target.read_text() == "a-program-of-root-that-is-long-enough-for-a-token"


@pytest.mark.parametrize("plant", PLANTED)
def test_token_says_what_to_do(state: Path, target: Path, plant: Plant) -> None:
    plant(state / "token", target)
    done = pi_mjpeg("token", "--state-dir", state)
    assert done.returncode == 78
    assert done.stdout == ""
    assert f"{state}/token" in done.stderr
    assert "remove it" in done.stderr
    assert "Traceback" not in done.stderr
    assert_untouched(target)


@pytest.mark.parametrize("plant", PLANTED)
def test_token_rotate_replaces_what_is_there_by_a_token_for_the_service(
    state: Path, target: Path, plant: Plant
) -> None:
    plant(state / "token", target)
    done = pi_mjpeg("token", "--rotate", "--state-dir", state)
    assert done.returncode == 0
    status = (state / "token").lstat()
    assert (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)) == (stat.S_IFREG, 0o600)
    assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)
    assert (state / "token").read_text() == done.stdout
    assert_untouched(target)


@pytest.mark.parametrize("rotate", [(), ("--rotate",)])
def test_token_does_not_follow_the_users_link_to_a_folder_of_root(tmp_path: Path, rotate: tuple[str, ...]) -> None:
    (of_root := tmp_path / "etc").mkdir()
    (of_root / "token").write_text("a-program-of-root-that-is-long-enough-for-a-token")
    (of_root / "token").chmod(0o755)
    link(tmp_path / "state", of_root)
    done = pi_mjpeg("token", *rotate, "--state-dir", tmp_path / "state")
    assert done.returncode != 0
    assert "remove the link" in done.stderr
    assert "Traceback" not in done.stderr
    assert_untouched(of_root / "token")
    assert len(list(of_root.iterdir())) == 1


@pytest.mark.parametrize("plant", PLANTED)
def test_purge_says_what_to_do(state: Path, target: Path, plant: Plant) -> None:
    plant(state / "mqtt.json", target)
    done = pi_mjpeg("purge", "--state-dir", state, "--mqtt-host", "192.0.2.1")
    assert done.returncode == 1
    assert f"{state}/mqtt.json" in done.stderr
    assert "remove it" in done.stderr
    assert "Traceback" not in done.stderr
    assert_untouched(target)


@pytest.mark.parametrize("plant", PLANTED)
def test_the_id_is_not_written_elsewhere(state: Path, target: Path, plant: Plant) -> None:
    plant(state / identity.NODE_FILE, target)
    with pytest.raises(OSError, match="remove it"):
        identity.identify(None, state)
    assert_untouched(target)
    (state / identity.NODE_FILE).unlink()
    node = identity.identify(None, state).node
    assert (state / identity.NODE_FILE).stat().st_uid == NOBODY
    assert identity.identify(None, state).node == node


def test_the_service_is_not_installed_with_a_file_of_root_that_a_users_link_names(tmp_path: Path, target: Path) -> None:
    link(tmp_path / "password", target)
    (config := tmp_path / "pi.toml").write_text(
        f"[mqtt]\nhost = 'broker'\nusername = 'me'\npassword_file = '{tmp_path}/password'\n"
    )
    done = pi_mjpeg("install-service", "--print", "--config", config)
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"symbolic link of the user {NOBODY}" in done.stderr
