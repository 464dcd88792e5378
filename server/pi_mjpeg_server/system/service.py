"""Installs the server as a systemd service, and removes it."""

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pi_mjpeg_server.config import OPTIONS, Configuration, ConfigurationError
from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import resolve_file
from pi_mjpeg_server.system.self_signed import SelfSigned
from pi_mjpeg_server.system.unit import NAME, UnitSettings, is_hidden, unit_text

_UNIT_FOLDER = Path("etc/systemd/system")
_PACKAGED_UNITS = (Path("usr/lib/systemd/system"), Path("lib/systemd/system"))
_BOOTED = Path("run/systemd/system")
"""It exists while systemd is the running init system (sd_booted(3))."""
_SYSTEMCTL_TIMEOUT = 120
_PACKAGE = Path(__file__).parents[1]


class ServiceError(Exception):
    """The service cannot be installed or removed; the message says what to do."""


def unit_settings(configuration: Configuration, file: Path | None, flags: Mapping[str, str | None]) -> UnitSettings:
    """Return the settings of a unit that runs this program with this configuration file and these flags.

    Raises `ConfigurationError` when a file that the configuration names does not exist, and `UnsafeFileError` when
    another user's link leads to it.
    """
    files = {} if file is None else {"PI_MJPEG_CONFIG": file}
    command = [*_program(), "run"]
    for option in OPTIONS:
        if option.metavar == "FILE":
            named: Path | None = getattr(getattr(configuration, option.section), option.key)
            if named is not None:
                files[option.variable] = named
        elif (value := flags.get(option.flag)) is not None:
            command.append(f"{option.flag}={value}")
    credentials = {variable: _credential_file(path) for variable, path in files.items()}
    paths = _outermost(_read_only_paths(configuration))
    return UnitSettings(command, credentials, paths, configuration.server.port)


def with_self_signed(settings: UnitSettings, configuration: Configuration, files: SelfSigned) -> UnitSettings:
    """Return settings of a unit that serves HTTPS with this certificate. The files may be made later.

    Raises `ConfigurationError` when the configuration names another certificate.
    """
    if configuration.server.tls_certificate is not None:
        raise ConfigurationError("tls_certificate names a certificate, so leave out --tls, which has one of its own")
    tls = {"PI_MJPEG_TLS_CERTIFICATE": files.certificate, "PI_MJPEG_TLS_KEY": files.key}
    return replace(settings, credentials={**settings.credentials, **tls})


def install(settings: UnitSettings, root: Path = Path("/"), self_signed: SelfSigned | None = None) -> str:
    """Write the unit, start the service now and at every boot, and return a report for the user.

    The certificate `self_signed` is made if there is none. When systemd does not run, such as for the files of another
    system below `root`, the service starts at the next boot.
    Raises `ServiceError`, `ConfigurationError` for settings that cannot stand in a unit, and `SelfSignedError` when
    there is no certificate and none can be made.
    """
    path = root / _UNIT_FOLDER / NAME
    text = unit_text(settings)
    _check_writable(path)
    for folder in settings.read_only_paths:
        _check_accessible(folder)
    systemctl = _Systemctl(root)
    tls = "" if self_signed is None else _make(self_signed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode(), mode=0o644)
    token = shlex.join(["sudo", *_program(), "token", "--state-dir", "/var/lib/pi-mjpeg"])
    report = f"Wrote {path}. Its state is in /var/lib/pi-mjpeg, and `{token}` prints its access token.\n{tls}"
    if not systemctl.is_booted:
        systemctl.call("enable", NAME)
        return report + "systemd does not run here: the service starts when the machine does."
    systemctl.call("daemon-reload")
    systemctl.call("enable", NAME)
    # Not "start": a service that runs already has to take over the new unit.
    systemctl.call("restart", NAME)
    return report + "The service runs, and starts with the machine. Its log: journalctl -u pi-mjpeg"


def remove(root: Path = Path("/")) -> str:
    """Stop the service, remove its unit, and return a report for the user. Raises `ServiceError`."""
    path = root / _UNIT_FOLDER / NAME
    if not path.exists():
        return f"There is no {path}: nothing to remove."
    _check_writable(path)
    systemctl = _Systemctl(root)
    systemctl.call("disable", *(("--now",) if systemctl.is_booted else ()), NAME)
    path.unlink()
    if systemctl.is_booted:
        systemctl.call("daemon-reload")
    if any((root / folder / NAME).exists() for folder in _PACKAGED_UNITS):
        return f"Removed {path}. The package's unit is used again: sudo systemctl enable --now pi-mjpeg"
    return f"Removed {path}. Its state stays: rm -r /var/lib/pi-mjpeg /var/lib/private/pi-mjpeg"


def _make(self_signed: SelfSigned) -> str:
    made = "was made" if self_signed.make() else "was there already"
    return (
        f"It serves HTTPS with {self_signed.certificate}, which {made}. Home Assistant shows its SHA-256 fingerprint:\n"
        f"{self_signed.fingerprint}\n"
    )


class _Systemctl:
    """The command `systemctl`, for the running system or for the files of another one below `root`."""

    def __init__(self, root: Path) -> None:
        program = shutil.which("systemctl")
        if program is None:
            raise ServiceError("this system has no systemctl: have `pi-mjpeg run` started by this system's own means")
        self.is_booted = (root / _BOOTED).is_dir()
        self._command = [program] if self.is_booted else [program, f"--root={root}"]

    def call(self, *arguments: str) -> None:
        shown = shlex.join(["systemctl", *arguments])
        try:
            done = subprocess.run(  # noqa: S603  (all arguments are from this module)
                [*self._command, *arguments], capture_output=True, text=True, check=False, timeout=_SYSTEMCTL_TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"`{shown}` takes over {_SYSTEMCTL_TIMEOUT} s. See: journalctl -u pi-mjpeg") from error
        if done.returncode != 0:
            raise ServiceError(f"`{shown}` failed: {done.stderr.strip()}\nSee: journalctl -u pi-mjpeg")


def _program() -> list[str]:
    """Return the command line of this program: the script itself, not the link to it that pipx puts on PATH."""
    script = Path(sys.argv[0]).resolve()
    return [str(script)] if script.name == "pi-mjpeg" else [sys.executable, "-m", "pi_mjpeg_server"]


def _read_only_paths(configuration: Configuration) -> Iterator[Path]:
    """Yield the folders that the service reads: of the program, of its Python, and of the pictures that it plays."""
    for folder in (Path(sys.prefix), Path(sys.base_prefix), _PACKAGE):
        yield from (folder, folder.resolve())
    for camera in configuration.cameras:
        if (
            camera.requested.device is not None
            and (device := Path(camera.requested.device)).is_absolute()
            and device.is_dir()
        ):
            yield device


def _credential_file(path: Path) -> Path:
    """Return the path of the file itself: the link to it may belong to a user that must not read the file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        resolved = resolve_file(path)
        if resolved.is_file():
            return resolved
    raise ConfigurationError(f"there is no file {path}")


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that are not inside another one."""
    unique = sorted(set(paths))
    return [path for path in unique if not any(other in path.parents for other in unique)]


def _check_writable(path: Path) -> None:
    """Raise `ServiceError`, with the sudo command, when this user cannot write to the unit's folder."""
    nearest = next(folder for folder in path.parents if folder.exists())
    if not os.access(nearest, os.W_OK):
        command = shlex.join(["sudo", *_program(), *sys.argv[1:]])
        raise ServiceError(f"{path.parent} belongs to root: type\n    {command}")


def _check_accessible(folder: Path) -> None:
    """Raise `ServiceError` when the service's own user could not read `folder`.

    For a folder that the unit makes visible by its name, the permissions of those above it do not matter.
    """
    for path in [folder] if is_hidden(folder) else [*reversed(folder.parents), folder]:
        if not path.stat().st_mode & stat.S_IXOTH:
            command = shlex.join(["chmod", "o+rx", str(path)])
            raise ServiceError(f"{path} lets only its owner in, and the service has a user of its own: {command}")
