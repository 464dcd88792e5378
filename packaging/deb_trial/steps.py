"""The life of a package: each function is one step, which returns what it saw and raises `ScriptError` otherwise."""

import time
from pathlib import Path

from deb_package.files import CONFIGURATION
from pi_mjpeg_server.system.unit import UnitSettings, unit_text
from tooling.errors import ScriptError

from deb_trial.serving import serve
from deb_trial.system import System

_CONFIG = f"/{CONFIGURATION}"
_STATE = "/var/lib/private/pi-mjpeg/token"
_MINE = "# changed by a person\n"
_WANTS = "/etc/systemd/system/multi-user.target.wants/pi-mjpeg.service"
_OWN_UNIT = "/etc/systemd/system/pi-mjpeg.service"
_HOME = "/opt/pi-mjpeg"


def install(system: System, package: Path) -> str:
    """Install it without a network: all that it needs beside itself is there."""
    began = time.monotonic()
    _apt(system, "install", _inside(system, package), network=False)
    seconds = time.monotonic() - began
    _expect(system.has(_WANTS), "the service is not enabled")
    _expect(any((system.root / "opt/pi-mjpeg").rglob("*.pyc")), "the modules are not compiled")
    installed = system.run("dpkg-query", "--show", "--showformat", "${Installed-Size}", "pi-mjpeg")
    return f"{seconds:.1f} s, {package.stat().st_size / 1e6:.1f} MB, {int(installed) / 1000:.0f} MB installed"


def help_texts(system: System, _: Path) -> str:
    """Have the command show its help, and the version that the package has."""
    _expect("install-service" in system.run("pi-mjpeg", "--help"), "no help")
    return system.run("pi-mjpeg", "--version").strip()


def modules(system: System, _: Path) -> str:
    """Import every module with compiled parts, and those of a webcam."""
    names = "aiohttp._http_parser, multidict._multidict, yarl._quoting_c, frozenlist._frozenlist, zeroconf._cache"
    webcam = "linuxpy.video.device, PIL._imaging, PIL._imagingft"
    code = f"import sys, {names}, {webcam}; import PIL; print(PIL.__version__, PIL.__file__, sys.path[-1])"
    return system.run(f"{_HOME}/bin/python3", "-c", code).strip()


def picture(system: System, _: Path) -> str:
    """Serve the emulated camera."""
    served = serve(system)
    size = f"{len(served.picture)} bytes"
    return f"{size} by HTTP, {served.seconds:.1f} s after the start, {served.memory / 1e6:.0f} MB when idle"


def upgrade(system: System, package: Path) -> str:
    """Upgrade an unchanged configuration: it is replaced without a question."""
    _apt(system, "install", _inside(system, package))
    _expect("# later 1" in system.text(_CONFIG), "the unchanged configuration was not replaced")
    return system.run("dpkg-query", "--show", "--showformat", "${Version}", "pi-mjpeg")


def upgrade_changed(system: System, package: Path) -> str:
    """Upgrade a configuration that a person has changed: dpkg asks, and the answer N keeps it."""
    system.write(_CONFIG, system.text(_CONFIG) + _MINE)
    said = _apt(system, "install", _inside(system, package), answer="N\n")
    _expect("Configuration file '/etc/pi-mjpeg/config.toml'" in said, "dpkg has not asked")
    _expect(_MINE in system.text(_CONFIG) and "# later 2" not in system.text(_CONFIG), "the change is lost")
    _expect("# later 2" in system.text(f"{_CONFIG}.dpkg-dist"), "the new configuration is nowhere")
    return "dpkg asked, the person's configuration stays"


def disabled(system: System, package: Path) -> str:
    """Install it again while the service is disabled: it stays disabled."""
    (system.root / _WANTS.removeprefix("/")).unlink()
    _apt(system, "install", "--reinstall", _inside(system, package), answer="N\n")
    _expect(not system.has(_WANTS), "the disabled service was enabled")
    return "a disabled service stays disabled"


def remove(system: System, _: Path) -> str:
    """Remove it: configuration and state stay, nothing of the program does."""
    system.write(_STATE, "kept")
    _apt(system, "remove", "pi-mjpeg")
    _expect(not system.has(_HOME), f"left: {system.find('pi-mjpeg')}")
    _expect(_MINE in system.text(_CONFIG) and system.has(_STATE), "configuration or state are gone")
    return "configuration and state stay"


def install_again(system: System, package: Path) -> str:
    """Install it after its removal."""
    _apt(system, "install", _inside(system, package), answer="N\n")
    _expect(_MINE in system.text(_CONFIG) and system.has(_STATE), "configuration or state are gone")
    return system.run("pi-mjpeg", "--version").strip()


def purge(system: System, _: Path) -> str:
    """Purge it: nothing is left."""
    system.write("/etc/pi-mjpeg/mqtt-password", "secret")
    _apt(system, "purge", "pi-mjpeg")
    left = [*system.find("pi-mjpeg"), *system.find("pi_mjpeg")]
    _expect(left == [], f"left: {left}")
    return "nothing is left"


def install_over(system: System, package: Path) -> str:
    """Install it where docs/install.md's environment and install-service's unit are already."""
    system.write(f"{_HOME}/pyvenv.cfg", "home = /usr/bin\n")
    system.write(f"{_HOME}/lib/mine.py", "")
    unit = unit_text(UnitSettings([f"{_HOME}/bin/pi-mjpeg", "run", "--mqtt-host=broker"]))
    system.write(_OWN_UNIT, unit)
    said = _apt(system, "install", _inside(system, package))
    _expect("moved to /opt/pi-mjpeg.old" in said and system.has(f"{_HOME}.old/lib/mine.py"), "not moved")
    _expect(
        "install-service --remove" in said and system.text(_OWN_UNIT) == unit, "the unit that goes first is not named"
    )
    _expect(not system.has(f"{_HOME}/lib/mine.py"), "the two environments are mixed")
    _apt(system, "remove", "pi-mjpeg")
    _expect(system.has(_OWN_UNIT) and not system.has(_WANTS), "a unit without its program starts at each boot")
    _apt(system, "purge", "pi-mjpeg")
    _expect(system.find("pi-mjpeg") == [f"{_HOME}.old"], f"left: {system.find('pi-mjpeg')}")
    return "the former environment is kept aside, the unit is named"


def _apt(system: System, *words: str, answer: str = "", network: bool = True) -> str:
    # Without unsafe-io, dpkg waits for the disk after each file.
    options = ("--yes", "--no-install-recommends", "--allow-downgrades", "--option=Dpkg::Options::=--force-unsafe-io")
    return system.run("apt-get", *options, *words, answer=answer, network=network)


def _inside(system: System, package: Path) -> str:
    """Return the path of a package in the system, after it was put there."""
    file = system.root / "root" / package.name
    file.write_bytes(package.read_bytes())
    return f"/root/{package.name}"


def _expect(true: bool, otherwise: str) -> None:  # noqa: FBT001
    if not true:
        raise ScriptError(otherwise)
