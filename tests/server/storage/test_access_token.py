"""The access token and its file."""

import os
from pathlib import Path

import pytest
from pi_mjpeg_server.storage.access_token import AccessToken, TokenError, new_token
from pi_mjpeg_server.storage.safe_open import UnsafeFileError


def test_the_token_is_created_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "token"
    first = AccessToken(path)
    assert AccessToken(path).value == first.value
    assert len(first.value) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    AccessToken(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token"]


@pytest.mark.parametrize("text", ["", "short", "x" * 129, "two words that are long enough", "é" * 20, "\xff" * 20])
def test_a_file_without_a_token_is_refused_and_a_running_server_keeps_its_token(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    running = AccessToken(path)
    known = running.value
    path.write_text(text)
    with pytest.raises(TokenError, match="pi-mjpeg token --rotate"):
        AccessToken(path)
    assert running.value == known
    assert not running.matches(text)
    path.unlink()
    assert running.matches(known)


def test_keys_depend_on_their_purpose_and_on_the_token(tmp_path: Path) -> None:
    held = AccessToken(tmp_path / "token")
    one = held.key("one")
    assert len(one) == 32
    assert one != held.key("two")
    assert held.value.encode() not in one
    held.rotate()
    assert one != held.key("one")


def test_a_token_that_root_rotates_stays_readable_for_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    held = AccessToken(folder / "token")
    # Only root can give the folder to another user.
    service = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, service, -1)
    new = new_token(folder / "token")
    assert ((folder / "token").stat().st_uid, held.value) == (service, new)


def test_a_link_in_place_of_the_token_is_refused_and_rotating_replaces_it(tmp_path: Path) -> None:
    (target := tmp_path / "program").write_text("a-token-of-somebody-else")
    target.chmod(0o755)
    (state := tmp_path / "state").mkdir()
    running = AccessToken(state / "token")
    known = running.value
    (state / "token").unlink()
    (state / "token").symlink_to(target)
    with pytest.raises(UnsafeFileError, match="symbolic link"):
        AccessToken(state / "token")
    assert running.value == known
    new = new_token(state / "token")
    assert AccessToken(state / "token").value == running.value == new
    assert target.read_text() == "a-token-of-somebody-else"
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_running_server_does_not_wait_for_a_fifo_in_place_of_the_token(tmp_path: Path) -> None:
    running = AccessToken(tmp_path / "token")
    known = running.value
    (tmp_path / "token").unlink()
    os.mkfifo(tmp_path / "token")
    assert running.value == known
