"""How the server is installed: its service, its user's rights, its state folder, its port."""

import contextlib
import grp
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed
from pi_mjpeg_server.system.unit import NAME

_DEVICES = ("video*", "media*", "dma_heap/*")
_TIMEOUT = 10
_MAX_ANSWER = 4096  # bytes
_ANY = ("0.0.0.0", "::")  # noqa: S104  (compared, not bound)


def service() -> tuple[Finding, bool]:
    """Say whether the service is installed, enabled and running; the flag says whether it runs."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return absent("this system has no systemctl"), False
    enabled, active = (_systemctl(systemctl, question) for question in ("is-enabled", "is-active"))
    text = f"{enabled or 'not installed'}, {active or 'not running'}"
    if active == "failed":
        return failed(f"{text}: journalctl -u pi-mjpeg says why"), False
    if enabled in {"enabled", "disabled"}:
        return passed(text), active in {"active", "activating", "reloading"}
    return absent(f"{text}: `sudo pi-mjpeg install-service` installs it"), False


def _systemctl(program: str, question: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (all arguments are from this module)
            [program, question, NAME], capture_output=True, text=True, check=False, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return f"no answer to {question}"
    return done.stdout.strip()


def groups() -> Finding:
    """Say in which groups this user is that may use cameras."""
    if os.geteuid() == 0:
        return passed("root, who may use all devices")
    names = {grp.getgrgid(number).gr_name for number in (*os.getgroups(), os.getegid()) if _exists(number)}
    if "video" in names:
        return passed(", ".join(sorted(names & {"video", "render", "plugdev"})))
    return absent("this user is not in the group video")


def _exists(number: int) -> bool:
    try:
        grp.getgrgid(number)
    except KeyError:
        return False
    return True


def devices(folder: Path = Path("/dev")) -> Finding:
    """Say which devices of cameras there are, and which of them this user may not use."""
    found = [path for pattern in _DEVICES for path in sorted(folder.glob(pattern))]
    if not found:
        return absent("no /dev/video*, /dev/media* or /dev/dma_heap")
    refused = [path.relative_to(folder).as_posix() for path in found if not os.access(path, os.R_OK | os.W_OK)]
    kinds = [f"{len(list(folder.glob(pattern)))} {pattern}" for pattern in _DEVICES]
    text = ", ".join(kinds)
    if refused:
        advice = "`sudo usermod -aG video $USER`, then log in again"
        return failed(f"{text}; this user may not use {', '.join(refused)}: {advice}")
    return passed(text)


def state_folder(settings: ServerSettings) -> Finding:
    """Say whether the state folder can be written, or made."""
    folder = settings.state_dir
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        return failed(f"{nearest} is not a folder")
    free = shutil.disk_usage(nearest).free / 1e6
    if nearest != folder:
        may = os.access(nearest, os.W_OK | os.X_OK)
        text = f"{folder} is not there yet"
        return passed(f"{text} and can be made, {free:.0f} MB free") if may else failed(f"{text} and cannot be made")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".selftest-") as file:
            file.write(b"selftest")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return failed(f"{folder} cannot be written: {error.strerror or error}")
    return passed(f"{folder} can be written, {free:.0f} MB free")


def port(settings: ServerSettings) -> tuple[Finding, bool]:
    """Say whether the configured port is free; the flag says whether a server of this project has it."""
    host = settings.host if settings.host not in {None, *_ANY} else "127.0.0.1"
    address = host or "127.0.0.1", settings.port
    try:
        socket.create_connection(address, timeout=_TIMEOUT).close()
    except OSError:
        return _can_listen(address), False
    if _is_ours(settings.scheme, address):
        return passed(f"{settings.port} is served by pi-mjpeg"), True
    return failed(
        f"{settings.port} is taken by another program (`sudo ss -ltnp` names it): choose another --port"
    ), False


def _can_listen(address: tuple[str, int]) -> Finding:
    try:
        socket.create_server(address).close()
    except OSError as error:
        return failed(f"{address[1]} cannot be listened on: {error.strerror or error}")
    return passed(f"{address[1]} is free")


def _is_ours(scheme: str, address: tuple[str, int]) -> bool:
    """Return whether a server of this project answers there: anybody may ask it for a proof of its identity."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    # Its certificate is for another name than this one.
    context = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323, SLF001
    url = f"{scheme}://{host}:{address[1]}/api/identity?nonce={secrets.token_hex(16)}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT, context=context) as response:  # noqa: S310  (to this machine)
            answer = json.loads(response.read(_MAX_ANSWER))
    except urllib.error.HTTPError as error:
        # Without a token it has no proof for a stranger.
        with error, contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return bool(json.loads(error.read(_MAX_ANSWER))["error"]["code"])
        return False
    except (OSError, ValueError, HTTPException):
        return False
    return isinstance(answer, dict) and {"id", "proof"} <= answer.keys()
