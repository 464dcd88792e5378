"""Gives the server into systemd's care, and takes it out again."""

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pi_mjpeg_server.config import OPTIONS, Configuration, ConfigurationError
from pi_mjpeg_server.system.unit import NAME, Facts, is_hidden, unit

_UNITS = Path("etc/systemd/system")
_RUNNING = Path("run/systemd/system")
_MAX_START = 120
_CODE = Path(__file__).parents[1]


class ServiceError(Exception):
    """The service cannot be installed or removed; the message says what to do."""


def facts(configuration: Configuration, file: Path | None, flags: Mapping[str, str | None]) -> Facts:
    """Return what the unit is written from: this program, this configuration and the flags that were given with it.

    Raises `ConfigurationError` when a file that it names is not there.
    """
    files = {} if file is None else {"PI_MJPEG_CONFIG": file.resolve()}
    command = [*_program(), "run"]
    for option in OPTIONS:
        if option.form == "FILE":
            named: Path | None = getattr(getattr(configuration, option.section), option.key)
            if named is not None:
                files[option.variable] = named.resolve()
        elif (value := flags.get(option.flag)) is not None:
            command.append(f"{option.flag}={value}")
    for named in files.values():
        if not named.is_file():
            raise ConfigurationError(f"there is no file {named}")
    return Facts(command, files, _outermost(_needed(configuration)), configuration.server.port)


def install(facts: Facts, root: Path = Path("/")) -> str:
    """Write the unit and start the service, now and at every boot; returns what was done.

    In a system that does not run, such as one whose files lie below another `root`, it starts at the next boot.
    Raises `ServiceError`.
    """
    path = root / _UNITS / NAME
    _refuse_without_root(path)
    for needed in facts.code:
        _refuse_closed(needed)
    systemd = _Systemd(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(unit(facts))
    draft.chmod(0o644)
    draft.replace(path)
    token = shlex.join(["sudo", *_program(), "token", "--state-dir", "/var/lib/pi-mjpeg"])
    said = f"Wrote {path}. Its state is in /var/lib/pi-mjpeg, and `{token}` prints its access token.\n"
    if not systemd.runs:
        systemd.call("enable", NAME)
        return said + "systemd does not run here: the service starts when the machine does."
    systemd.call("daemon-reload")
    systemd.call("enable", NAME)
    # One that runs already is to run the new way.
    systemd.call("restart", NAME)
    return said + "The service runs, and starts with the machine. Its log: journalctl -u pi-mjpeg"


def remove(root: Path = Path("/")) -> str:
    """Stop the service and remove its unit; returns what was done. Raises `ServiceError`."""
    path = root / _UNITS / NAME
    if not path.exists():
        return f"There is no {path}: nothing to remove."
    _refuse_without_root(path)
    systemd = _Systemd(root)
    systemd.call("disable", *(("--now",) if systemd.runs else ()), NAME)
    path.unlink()
    if systemd.runs:
        systemd.call("daemon-reload")
    return f"Removed {path}. Its state stays: rm -r /var/lib/pi-mjpeg /var/lib/private/pi-mjpeg"


class _Systemd:
    """The `systemctl` of this machine, or on a system that does not run."""

    def __init__(self, root: Path) -> None:
        program = shutil.which("systemctl")
        if program is None:
            raise ServiceError("this system has no systemctl: have `pi-mjpeg run` started by this system's own means")
        self.runs = (root / _RUNNING).is_dir()
        self._command = [program] if self.runs else [program, f"--root={root}"]

    def call(self, *words: str) -> None:
        said = shlex.join(["systemctl", *words])
        try:
            done = subprocess.run(  # noqa: S603  (words of ours)
                [*self._command, *words], capture_output=True, text=True, check=False, timeout=_MAX_START
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"`{said}` takes over {_MAX_START} s. See: journalctl -u pi-mjpeg") from error
        if done.returncode != 0:
            raise ServiceError(f"`{said}` failed: {done.stderr.strip()}\nSee: journalctl -u pi-mjpeg")


def _program() -> list[str]:
    """Return the command that runs now: the script itself, behind the link that pipx puts on PATH."""
    script = Path(sys.argv[0]).resolve()
    return [str(script)] if script.name == "pi-mjpeg" else [sys.executable, "-m", "pi_mjpeg_server"]


def _needed(configuration: Configuration) -> Iterator[Path]:
    """Yield the folders that the service reads: of the program, of its Python, and of pictures that it plays."""
    for folder in (Path(sys.prefix), Path(sys.base_prefix), _CODE):
        yield from (folder, folder.resolve())
    for camera in configuration.cameras:
        if (
            camera.requested.device is not None
            and (device := Path(camera.requested.device)).is_absolute()
            and device.is_dir()
        ):
            yield device


def _outermost(paths: Iterator[Path]) -> list[Path]:
    every = sorted(set(paths))
    return [path for path in every if not any(other in path.parents for other in every)]


def _refuse_without_root(path: Path) -> None:
    nearest = next(folder for folder in path.parents if folder.exists())
    if not os.access(nearest, os.W_OK):
        command = shlex.join(["sudo", *_program(), *sys.argv[1:]])
        raise ServiceError(f"{path.parent} belongs to root: type\n    {command}")


def _refuse_closed(needed: Path) -> None:
    """Refuse what the service's own user could not read. Of what is shown to it by name, nothing above matters."""
    for path in [needed] if is_hidden(needed) else [*reversed(needed.parents), needed]:
        if not path.stat().st_mode & stat.S_IXOTH:
            mended = shlex.join(["chmod", "o+rx", str(path)])
            raise ServiceError(f"{path} lets only its owner in, and the service has a user of its own: {mended}")
