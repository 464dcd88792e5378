"""A webcam that cannot be used for want of the extra `v4l2` is named, with the command that helps."""

import os
import shlex
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from pi_mjpeg_server import cli
from pi_mjpeg_server.sources import SourceError, webcam_extra
from pi_mjpeg_server.sources.v4l2 import V4L2Source
from pi_mjpeg_server.sources.webcam_extra import install_command, missing_webcam_extra
from pi_mjpeg_server.system import service

from tests.server.test_cli import EMULATED

MODEL = "HD Pro Webcam C920"


@pytest.fixture
def video_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a /sys/class/video4linux with a codec of the Pi and a webcam."""
    folder = tmp_path / "class" / "video4linux"
    folder.mkdir(parents=True)
    for name, model, bus in (
        ("video0", MODEL, "platform/scb/fd500000.pcie/usb1/1-1/1-1:1.0"),
        ("video10", "bcm2835-codec-decode", "platform/bcm2835-codec"),
    ):
        device = tmp_path / "devices" / bus / "video4linux" / name
        device.mkdir(parents=True)
        (device / "name").write_text(f"{model}\n")
        (folder / name).symlink_to(device)
    monkeypatch.setattr(webcam_extra, "_VIDEO_DEVICES", folder)
    return folder


@pytest.fixture
def no_linuxpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every import of linuxpy fail."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "linuxpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "linuxpy", None)


def test_the_command_installs_what_the_package_declares() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "server/pyproject.toml").read_text())["project"]
    *program, requirement = shlex.split(install_command().removeprefix("sudo "))
    assert program == [sys.executable, "-m", "pip", "install"]
    [declared] = project["optional-dependencies"]["v4l2"]
    assert sorted(requirement.removeprefix("linuxpy").split(",")) == sorted(declared.removeprefix("linuxpy").split(","))


def test_the_command_has_sudo_where_the_environment_belongs_to_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    assert not install_command().startswith("sudo ")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert install_command().startswith(f"sudo {sys.executable} -m pip install ")


@pytest.mark.usefixtures("no_linuxpy", "video_devices")
def test_a_webcam_that_cannot_be_used_is_named() -> None:
    for sources in ({"auto"}, {"picamera2", "v4l2"}):
        advice = missing_webcam_extra(sources)
        assert advice is not None
        assert advice.startswith(f"{MODEL}: ")
        assert "[v4l2]" in advice
        assert advice.splitlines()[-1].strip() == install_command()


@pytest.mark.usefixtures("no_linuxpy")
def test_nothing_is_missing_without_a_webcam_or_a_camera_that_could_use_it(video_devices: Path) -> None:
    assert missing_webcam_extra({"picamera2", "emulated"}) is None
    (video_devices / "video0").unlink()
    assert missing_webcam_extra({"auto"}) is None
    video_devices.rename(video_devices.with_name("none"))
    assert missing_webcam_extra({"auto"}) is None


@pytest.mark.usefixtures("video_devices")
def test_nothing_is_missing_where_linuxpy_is_installed() -> None:
    assert missing_webcam_extra({"auto"}) is None


@pytest.mark.usefixtures("no_linuxpy")
def test_the_error_of_the_source_has_the_same_command() -> None:
    with pytest.raises(SourceError, match=r"'linuxpy(\.video)?' of the extra \[v4l2\] is missing") as raised:
        V4L2Source.devices()
    assert install_command() in str(raised.value)


@pytest.mark.usefixtures("no_linuxpy", "video_devices")
def test_check_and_install_service_print_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service, "install", lambda _, **_options: "installed")
    (file := tmp_path / "config.toml").write_text(
        "[[camera]]\nsource = 'emulated'\nsize = [320, 240]\n[[camera]]\nsource = 'v4l2'\n"
    )
    assert cli.main(["check", "--config", str(file)]) == 1
    assert install_command() in capsys.readouterr().out
    assert cli.main(["install-service"]) == 0
    assert install_command() in capsys.readouterr().out
    assert cli.main(["check", *EMULATED]) == 0
    assert cli.main(["install-service", *EMULATED]) == 0
    assert "pip install" not in capsys.readouterr().out
    # The output with --print is a unit and nothing else.
    assert cli.main(["install-service", "--print"]) == 0
    assert "pip install" not in capsys.readouterr().out
