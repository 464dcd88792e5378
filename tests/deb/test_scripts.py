"""dpkg's scripts: in a folder in place of the system, with programs that note how they are called."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from deb_package.build import build
from deb_package.control import SCRIPTS
from deb_package.target import Target
from pi_mjpeg_server.system.unit import UnitSettings, unit_text
from tooling.errors import ScriptError

from tests.deb.conftest import Package

PROGRAMS = ("deb-systemd-helper", "deb-systemd-invoke", "systemctl", "py3compile", "py3clean")
UNIT = "etc/systemd/system/pi-mjpeg.service"


@dataclass(frozen=True)
class Machine:
    """A machine in a folder: the scripts see it as the root of the file system."""

    root: Path
    package: Package

    def run(self, script: str, *arguments: str, fails: bool = False) -> str:
        """Run one of the package's scripts and return what it prints."""
        text = (self.package.root / "DEBIAN" / script).read_text()
        for folder in ("/opt/", "/etc/", "/var/", "/run/"):
            text = text.replace(f"{folder}", f"{self.root}{folder}")
        (changed := self.root / script).write_text(text)
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        words = ["sh", str(changed), *arguments]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=30)  # noqa: S603
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout + done.stderr

    def program(self, name: str, body: str = "") -> None:
        """Put a program on PATH that notes how it is called."""
        path = self.root / "bin" / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {self.root}/called\n{body}\n')
        path.chmod(0o755)

    def file(self, path: str, text: str = "") -> Path:
        """Write a file and return its path."""
        (made := self.root / path).parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        return made

    @property
    def called(self) -> list[str]:
        """Return how the programs were called, one after another."""
        file = self.root / "called"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path, package: Package) -> Machine:
    """Return a machine without systemd."""
    (tmp_path / "bin").mkdir()
    made = Machine(tmp_path, package)
    for name in PROGRAMS:
        made.program(name)
    return made


@pytest.fixture
def booted(machine: Machine) -> Machine:
    """Return a machine on which systemd runs."""
    (machine.root / "run/systemd/system").mkdir(parents=True)
    return machine


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_shell_understands_each_script_and_it_stops_at_the_first_error(package: Package, script: str) -> None:
    path = package.root / "DEBIAN" / script
    assert path.read_text().startswith("#!/bin/sh\nset -e\n")
    assert "@" not in path.read_text()
    subprocess.run(["sh", "-n", path], check=True, timeout=30)  # noqa: S603, S607


def test_without_systemd_the_service_is_enabled_and_nothing_fails(machine: Machine) -> None:
    machine.run("preinst", "install")
    machine.run("postinst", "configure", "")
    assert "deb-systemd-helper enable pi-mjpeg.service" in machine.called
    assert any(line.startswith("py3compile -p pi-mjpeg -V 3.") for line in machine.called)
    machine.run("prerm", "remove")
    machine.run("postrm", "remove")
    machine.run("postrm", "purge")
    assert not [line for line in machine.called if line.startswith(("systemctl", "deb-systemd-invoke"))]


def test_nothing_fails_when_systemd_cannot_do_what_it_is_told(booted: Machine) -> None:
    for name in ("deb-systemd-helper", "deb-systemd-invoke", "systemctl"):
        booted.program(name, "exit 1")
    booted.run("postinst", "configure", "0.0.1")
    booted.run("prerm", "remove")
    booted.run("postrm", "remove")
    booted.run("postrm", "purge")


def test_the_service_is_restarted_when_installed_and_stopped_when_removed(booted: Machine) -> None:
    booted.run("postinst", "configure", "")
    assert booted.called[-2:] == ["systemctl --system daemon-reload", "deb-systemd-invoke restart pi-mjpeg.service"]
    booted.run("prerm", "upgrade", "2")
    assert "deb-systemd-invoke stop pi-mjpeg.service" not in booted.called
    booted.run("prerm", "remove")
    assert "deb-systemd-invoke stop pi-mjpeg.service" in booted.called
    assert booted.called[-1] == "py3clean -p pi-mjpeg"


def test_a_service_that_somebody_has_disabled_stays_disabled(machine: Machine) -> None:
    machine.program("deb-systemd-helper", '[ "$2" != was-enabled ]')
    machine.run("postinst", "configure", "0.0.1")
    assert "deb-systemd-helper enable pi-mjpeg.service" not in machine.called
    assert "deb-systemd-helper update-state pi-mjpeg.service" in machine.called


def test_an_environment_that_a_person_has_made_is_moved_aside(machine: Machine) -> None:
    machine.file("opt/pi-mjpeg/pyvenv.cfg")
    machine.file("opt/pi-mjpeg/lib/plugin.py", "mine")
    assert "/opt/pi-mjpeg.old" in machine.run("preinst", "install")
    assert (machine.root / "opt/pi-mjpeg.old/lib/plugin.py").read_text() == "mine"
    assert not (machine.root / "opt/pi-mjpeg").exists()
    # dpkg could not unpack the package: all is as before.
    machine.run("postrm", "abort-install")
    assert (machine.root / "opt/pi-mjpeg/lib/plugin.py").exists()


def test_nothing_is_moved_over_an_older_environment_or_at_an_upgrade(machine: Machine) -> None:
    machine.file("opt/pi-mjpeg/pyvenv.cfg")
    machine.file("opt/pi-mjpeg.old/mine")
    assert "remove one of them" in machine.run("preinst", "install", fails=True)
    machine.run("preinst", "upgrade", "0.0.1")
    assert (machine.root / "opt/pi-mjpeg/pyvenv.cfg").exists()


def test_an_armv6_is_refused_with_its_name(machine: Machine) -> None:
    machine.program("uname", "echo armv6l")
    assert "ARMv6" in machine.run("preinst", "install", fails=True)
    for name in ("armv7l", "aarch64"):
        machine.program("uname", f"echo {name}")
        assert machine.run("preinst", "install") == ""


def test_a_unit_of_install_service_is_named_disabled_and_purged(machine: Machine) -> None:
    unit = machine.file(UNIT, unit_text(UnitSettings(["/opt/pi-mjpeg/bin/pi-mjpeg", "run"])))
    assert "sudo pi-mjpeg install-service --remove" in machine.run("postinst", "configure", "")
    machine.run("postrm", "remove")
    assert machine.called[-1] == "deb-systemd-helper disable pi-mjpeg.service"
    assert unit.exists()
    machine.run("postrm", "purge")
    assert not unit.exists()


def test_a_unit_of_another_origin_is_left_alone(machine: Machine) -> None:
    unit = machine.file(UNIT, "[Service]\nExecStart=/usr/bin/pi-mjpeg run\n")
    assert machine.run("postinst", "configure", "") == ""
    machine.run("postrm", "remove")
    machine.run("postrm", "purge")
    assert unit.exists()
    assert "deb-systemd-helper disable pi-mjpeg.service" not in machine.called


def test_only_a_purge_removes_configuration_and_state_and_no_link_is_followed(machine: Machine) -> None:
    config = machine.file("etc/pi-mjpeg/mqtt-password", "secret")
    state = machine.file("var/lib/private/pi-mjpeg/token", "secret")
    (machine.root / "var/lib/pi-mjpeg").symlink_to("private/pi-mjpeg")
    other = machine.file("home/pi/picture.jpg")
    (state.parent / "link").symlink_to(other.parent)
    for action in ("remove", "upgrade", "failed-upgrade", "abort-upgrade", "disappear"):
        machine.run("postrm", action)
    assert config.exists()
    assert state.exists()
    machine.run("postrm", "purge")
    assert not config.parent.exists()
    assert not state.parent.exists()
    assert not (machine.root / "var/lib/pi-mjpeg").is_symlink()
    assert other.exists()


def test_without_the_wheel_that_pypi_lacks_the_builder_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="packaging/build-pillow"):
        build(Target("bookworm", "armhf"), tmp_path)
    assert list(tmp_path.iterdir()) == []
