"""The command `pi-mjpeg`, as a shell runs it."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from pi_mjpeg_server.cli import configured, main, state_commands

from tests.server.support.scripted_camera import level_of

EMULATED = ("--source", "emulated", "--size", "320x240")


def pi_mjpeg(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command and return how it ended."""
    command = [sys.executable, "-m", "pi_mjpeg_server", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment or None)  # noqa: S603


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("run",),
        ("cameras",),
        ("check",),
        ("selftest",),
        ("snapshot",),
        ("token",),
        ("view-token",),
        ("new-id",),
        ("purge",),
    ],
)
def test_every_command_has_a_help(command: tuple[str, ...]) -> None:
    done = pi_mjpeg(*command, "--help")
    assert done.returncode == 0
    assert b"usage: pi-mjpeg" in done.stdout


@pytest.mark.parametrize("wrong", [(), ("fly",), ("run", "--speed", "9"), ("snapshot",)])
def test_wrong_usage_exits_with_2(wrong: tuple[str, ...]) -> None:
    assert pi_mjpeg(*wrong).returncode == 2


def test_a_bad_configuration_exits_with_78_and_one_line(tmp_path: Path) -> None:
    (file := tmp_path / "config.toml").write_text("[server]\nprot = 1\n")
    for command in (("run",), ("check",), ("snapshot", tmp_path / "x.jpg")):
        done = pi_mjpeg(*command, "--config", file)
        assert done.returncode == 78
        assert done.stderr.decode() == (f"pi-mjpeg: {file}, line 2: [server] has no key 'prot'; did you mean 'port'?\n")


def test_snapshot_writes_a_picture_to_a_file_and_to_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "now.jpg"
    assert pi_mjpeg("snapshot", *EMULATED, file).returncode == 0
    level_of(file.read_bytes())
    level_of(pi_mjpeg("snapshot", *EMULATED, "-").stdout)


def test_snapshot_says_why_it_has_no_picture(tmp_path: Path) -> None:
    done = pi_mjpeg("snapshot", "--source", "files", "--device", tmp_path / "none", tmp_path / "x.jpg")
    assert done.returncode == 1
    assert b"is not a folder" in done.stderr
    done = pi_mjpeg("snapshot", *EMULATED, "--camera", "shed", tmp_path / "x.jpg")
    assert done.returncode == 2
    assert b"there is no camera 'shed'; there is: camera" in done.stderr


def test_cameras_lists_the_devices_and_says_why_a_kind_has_none() -> None:
    done = pi_mjpeg("cameras")
    assert done.returncode == 0
    assert b"source = 'emulated'" in done.stdout
    assert b"picamera2: none (the Python module" in done.stdout


def test_check_takes_a_picture_with_each_camera(tmp_path: Path) -> None:
    (file := tmp_path / "config.toml").write_text(
        "[[camera]]\nname = 'Good'\nsource = 'emulated'\n[[camera]]\nname = 'Bad'\nsource = 'files'\n"
    )
    done = pi_mjpeg("check", "--config", file)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "The configuration is right."
    assert lines[1].startswith("Good: 1280x720 from Emulated camera")
    assert lines[2].startswith("Bad: no picture: the source 'files' needs a folder")


def test_a_camera_that_is_off_gives_no_picture_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"front": {"enabled": false}}')
    (file := tmp_path / "config.toml").write_text(
        f"[server]\nstate_dir = '{tmp_path}'\n"
        "[[camera]]\nid = 'front'\nname = 'Front door'\nsource = 'files'\ndevice = '/none'\n"
        "[[camera]]\nid = 'good'\nname = 'Good'\nsource = 'emulated'\n"
    )
    done = pi_mjpeg("snapshot", "--config", file, tmp_path / "x.jpg")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "pi-mjpeg: Front door is switched off"
    assert not (tmp_path / "x.jpg").exists()
    assert pi_mjpeg("snapshot", "--config", file, "--camera", "good", tmp_path / "x.jpg").returncode == 0
    # It was meant to be off, so nothing is wrong.
    done = pi_mjpeg("check", "--config", file)
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[1] == "Front door is switched off; no picture is taken"
    assert lines[2].startswith("Good: 1280x720")
    (tmp_path / "settings.json").write_text("{")
    done = pi_mjpeg("snapshot", "--config", file, "--camera", "good", tmp_path / "y.jpg")
    assert done.returncode == 1
    assert b"Good is switched off: the privacy settings cannot be read" in done.stderr
    assert b"settings.json is not JSON" in done.stderr


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[server]\ntls_certificate = '/nope/c.pem'\ntls_key = '/nope/k.pem'\n", b"tls_certificate"),
        ("[mqtt]\nhost = 'broker'\nusername = 'me'\npassword_file = '/nope/password'\n", b"/nope/password"),
    ],
)
def test_check_reads_the_files_that_run_needs(tmp_path: Path, text: str, key: bytes) -> None:
    (file := tmp_path / "config.toml").write_text(text + "[[camera]]\nsource = 'emulated'\n")
    done = pi_mjpeg("check", "--config", file)
    assert done.returncode == 78
    assert key in done.stderr
    assert b"is right" not in done.stdout


@pytest.mark.parametrize("command", ["check", "run"])
def test_every_mistake_is_printed(tmp_path: Path, command: str) -> None:
    (file := tmp_path / "config.toml").write_text("[server]\nprot = 1\n[[camera]]\nfps = 0\nid = 'A'\n")
    done = pi_mjpeg(command, "--config", file)
    assert done.returncode == 78
    lines = done.stderr.decode().splitlines()
    assert [line.partition(": [")[0] for line in lines] == [f"pi-mjpeg: {file}, line {n}" for n in (2, 4, 5)]
    file.write_text(
        "[server]\ntls_certificate = '/nope/c.pem'\ntls_key = '/nope/k.pem'\n"
        "[mqtt]\nhost = 'broker'\nusername = 'me'\npassword_file = '/nope/password'\n[[camera]]\nsource = 'emulated'\n"
    )
    done = pi_mjpeg(command, "--config", file, "--state-dir", tmp_path / "state")
    assert done.returncode == 78
    assert done.stderr.count(b"pi-mjpeg: ") == 2
    assert b"tls_certificate" in done.stderr
    assert b"/nope/password" in done.stderr


@pytest.mark.parametrize("command", [("token",), ("view-token", "camera"), ("new-id",)])
@pytest.mark.parametrize("is_meant", [False, True])
def test_a_command_about_the_state_names_the_folder_of_the_service_unless_one_is_given(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    *,
    is_meant: bool,
) -> None:
    monkeypatch.setattr(logging, "captureWarnings", MagicMock())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    service = tmp_path / "service"
    monkeypatch.setattr(configured, "SERVICE_FOLDER", service)
    given = ("--state-dir", str(service)) if is_meant else ()
    assert main([*command, "--source", "emulated", *given]) == 0
    assert capsys.readouterr().err == ""
    service.mkdir(exist_ok=True)
    assert main([*command, "--source", "emulated", *given]) == 0
    told = capsys.readouterr().err
    assert (f"for the service: sudo pi-mjpeg {' '.join(command)} --state-dir {service}\n" in told) != is_meant


def test_ctrl_c_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_commands, "token", MagicMock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(logging, "captureWarnings", MagicMock())
    assert main(["token"]) == 1


def test_run_says_when_it_cannot_listen(tmp_path: Path) -> None:
    done = pi_mjpeg("run", *EMULATED, "--host", "192.0.2.1", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert b"cannot listen on 192.0.2.1 port 8000" in done.stderr
    assert b"Traceback" not in done.stderr


def test_run_says_when_it_cannot_write_its_state(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = pi_mjpeg("run", *EMULATED, "--state-dir", tmp_path / "file")
    assert done.returncode == 78
    assert b"state_dir: cannot keep state in" in done.stderr


def test_it_works_without_numpy_picamera2_and_libcamera(tmp_path: Path) -> None:
    script = """
        import importlib.abc
        import sys

        class Missing(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"numpy", "picamera2", "libcamera", "linuxpy", "simplejpeg"}:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
                return None

        sys.meta_path.insert(0, Missing())
        from pi_mjpeg_server.cli import main
        code = main(["snapshot", "--size", "320x240", sys.argv[1]])
        heavy = {"numpy", "picamera2", "libcamera", "linuxpy"} & set(sys.modules)
        sys.exit(code or len(heavy))
    """
    file = tmp_path / "now.jpg"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", textwrap.dedent(script), str(file)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"showing the emulated camera, because no other was found" in done.stderr
    level_of(file.read_bytes())


def test_token_prints_the_token_and_rotates_it(tmp_path: Path) -> None:
    def token(*more: str) -> str:
        done = pi_mjpeg("token", "--state-dir", tmp_path, *more)
        assert done.returncode == 0
        return done.stdout.decode().strip()

    first = token()
    assert len(first) >= 32
    assert token() == first
    assert token("--rotate") != first
    (tmp_path / "token").write_text("short")
    done = pi_mjpeg("token", "--state-dir", tmp_path)
    assert done.returncode == 78
    assert b"pi-mjpeg token --rotate" in done.stderr
    assert len(token("--rotate")) >= 32


@pytest.mark.parametrize("command", [("--help",), ("run", "--help"), ("--version",), ("token",), ("token", "--rotate")])
def test_quick_commands_import_nothing_that_is_slow_to_import(tmp_path: Path, command: tuple[str, ...]) -> None:
    script = """
        import sys
        from pi_mjpeg_server.cli import main

        slow = {"aiohttp", "linuxpy", "numpy", "paho", "PIL", "prometheus_client", "voluptuous", "zeroconf"}
        try:
            code = main()
        except SystemExit as end:
            code = end.code
        print("imported:", sorted(slow & set(sys.modules)), file=sys.stderr)
        sys.exit(code)
    """
    words = [*command, "--state-dir", str(tmp_path)] if command[0] == "token" else command
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", textwrap.dedent(script), *words], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "imported: []\n")
    assert done.stdout


def test_a_view_token_is_printed_as_urls_and_revoked(tmp_path: Path) -> None:
    state = ("--state-dir", tmp_path, *EMULATED, "--public-url", "https://pi.example/garden")
    unknown = pi_mjpeg("view-token", "nobody", *state)
    assert (unknown.returncode, unknown.stdout) == (2, b"")
    assert b"there is: camera" in unknown.stderr
    made = pi_mjpeg("view-token", "camera", *state).stdout.decode().split()
    start = "https://pi.example/garden/cameras/camera/"
    assert made[0].startswith(f"{start}stream?token=")
    assert made[1] == f"{start}snapshot.jpg?token={made[0].partition('=')[2]}"
    assert b"are void" in pi_mjpeg("view-token", "camera", "--revoke", *state).stdout
    assert b"no view token" in pi_mjpeg("view-token", "camera", "--revoke", *state).stdout
