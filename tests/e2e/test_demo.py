"""`scripts/demo` is reachable from this machine only, with a password that nobody knows."""

import stat
from pathlib import Path

import pytest
from tooling import run_demo
from tooling.demo import options
from tooling.network import LOOPBACK
from tooling.stack import StackSettings


def settings(folder: Path, *arguments: str) -> StackSettings:
    return run_demo._settings(options(arguments), folder)  # noqa: SLF001 - the rest of it starts Home Assistant


@pytest.mark.parametrize("arguments", [(), ("--check",), ("--source", "v4l2")])
def test_it_listens_on_loopback_unless_other_machines_are_asked_for(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    usual, lan = settings(tmp_path, *arguments), settings(tmp_path, *arguments, "--lan")
    assert (usual.listen, usual.public_host, usual.broker[0]) == (LOOPBACK, LOOPBACK, LOOPBACK)
    assert (lan.listen, lan.broker[0]) == ("0.0.0.0", LOOPBACK)  # noqa: S104 - compared only


def test_each_run_has_a_long_password_of_its_own_that_only_its_user_can_read(tmp_path: Path) -> None:
    passwords = {settings(tmp_path / "demo").password for _ in range(5)}
    assert len(passwords) == 5
    assert min(map(len, passwords)) >= 12
    kept = tmp_path / "demo/password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert settings(tmp_path / "demo", "--keep").password == kept.read_text()
