"""The text of the systemd unit: a pure function of its settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pi_mjpeg_server.config import ConfigurationError
from pi_mjpeg_server.config.credentials import FOLDER, PREFIX

NAME = "pi-mjpeg.service"
INSTALLED = "Written by `pi-mjpeg install-service`, which overwrites it."
"""The first sentence of a unit that `install-service` has written; the Debian package knows such a unit by it."""
_PACKAGED = "A part of the package pi-mjpeg."

_UNQUOTED = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108  (named, not used)
_FIRST_UNPRIVILEGED_PORT = 1024

_UNIT = """\
# {origin} What you add with `systemctl edit pi-mjpeg` stays.
[Unit]
Description=Raspberry Pi cameras for Home Assistant (pi-mjpeg)
Documentation=https://github.com/pi-mjpeg/pi_mjpeg
Wants=network-online.target
After=network-online.target
# DeviceAllow knows a class of devices only once its module is loaded; else a webcam that is plugged in later would be
# refused (systemd.resource-control(5)). videodev has video4linux, and loads mc, which has media.
Wants=modprobe@videodev.service
After=modprobe@videodev.service
# A camera may be unplugged for a week: never stop restarting.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
WatchdogSec=60
TimeoutStopSec=20
Restart=always
RestartSec=5
# Bad configuration: a restart would not help.
RestartPreventExitStatus=78

# The service runs as a user that exists only meanwhile. systemd reads the credentials as root and passes copies.
DynamicUser=yes
SupplementaryGroups=video
StateDirectory=pi-mjpeg
StateDirectoryMode=0700
# In memory, for clips. They outlive a restart of the service, but not one of the machine.
RuntimeDirectory=pi-mjpeg
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=restart
Environment=PI_MJPEG_STATE_DIR=%S/pi-mjpeg
{credentials}UMask=0077

# Other programs of this machine take precedence.
Nice=5
CPUWeight=50
# Without effect where the kernel's command line has cgroup_disable=memory, as a Pi's firmware sets by default.
MemoryMax=75%

# Only cameras and the memory that they share with other devices.
DevicePolicy=closed
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw

# The system is read-only. Of the home folders, only what the program needs is visible.
ProtectSystem=strict
{homes}PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
CapabilityBoundingSet={capability}
AmbientCapabilities={capability}
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
# A camera driver that makes another system call gets an error, and is not killed.
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class UnitSettings:
    """What differs from one unit to another. All paths are absolute.

    `command` is the program with its arguments (ExecStart). `credentials` are files that only root needs to be able to
    read (LoadCredential), by the environment variable through which the server finds each. `read_only_paths` are the
    folders that hold the program, and others that it reads (BindReadOnlyPaths). `port` is the port it listens on.
    With `passes_folder`, systemd passes copies of all files in /etc/pi-mjpeg (`config.credentials`). `origin` is the
    first sentence of the unit.
    """

    command: Sequence[str]
    credentials: Mapping[str, Path] = field(default_factory=dict)
    read_only_paths: Sequence[Path] = ()
    port: int = 8000
    passes_folder: bool = False
    origin: str = INSTALLED


def packaged_unit_text() -> str:
    """Return the text of the unit in the Debian package, which is the same on all machines.

    It does not know what is in /etc/pi-mjpeg/config.toml, so it allows every port and passes every file there.
    """
    command = ["/opt/pi-mjpeg/bin/pi-mjpeg", "run"]
    return unit_text(UnitSettings(command, port=_FIRST_UNPRIVILEGED_PORT - 1, passes_folder=True, origin=_PACKAGED))


def unit_text(settings: UnitSettings) -> str:
    """Return the text of the unit, with every value quoted as systemd.syntax(7) and systemd.service(5) require.

    Raises `ConfigurationError` for a value that would read differently in a unit, such as one with a line break.
    """
    credentials = "".join(
        f"LoadCredential={_credential(variable)}:{_credential_path(path)}\n"
        f"Environment={variable}=%d/{_credential(variable)}\n"
        for variable, path in settings.credentials.items()
    )
    if settings.passes_folder:
        credentials += f"LoadCredential={PREFIX}:{FOLDER}\n"
    visible = sorted({path for path in settings.read_only_paths if is_hidden(path)})
    binds = "".join(f"BindReadOnlyPaths={_bind_path(path)}\n" for path in visible)
    program, *arguments = settings.command
    if "$" in program:
        raise _unfit(program, "systemd would take the $ for a variable")
    return _UNIT.format(
        origin=settings.origin,
        command=" ".join([_quote(program), *(_quote(argument).replace("$", "$$") for argument in arguments)]),
        credentials=credentials,
        homes=f"ProtectHome=tmpfs\n{binds}" if visible else "ProtectHome=yes\n",
        capability="CAP_NET_BIND_SERVICE" if settings.port < _FIRST_UNPRIVILEGED_PORT else "",
    )


def is_hidden(path: Path) -> bool:
    """Return whether the service sees `path` only if the unit makes it visible (ProtectHome, PrivateTmp)."""
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _credential(variable: str) -> str:
    return _escape_specifiers(variable).removeprefix("PI_MJPEG_").lower().replace("_", "-")


def _escape_specifiers(text: str) -> str:
    """Return a value with its % doubled. Each value passes here: a line break would begin a line of the unit."""
    if not text.isprintable():
        raise _unfit(text, "it has a line break or another character that cannot be printed")
    return text.replace("%", "%%")


def _unfit(text: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{text!a} cannot stand in a systemd unit: {reason}")


def _quote(text: str) -> str:
    text = _escape_specifiers(text)
    if _UNQUOTED.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _credential_path(path: Path) -> str:
    """Return a path for LoadCredential, which takes all but specifiers as it is, to the end of the line."""
    text = str(path)
    if text.endswith((" ", "\\")):
        raise _unfit(text, "systemd would take the space or backslash at its end for a part of the unit's syntax")
    return _escape_specifiers(text)


def _bind_path(path: Path) -> str:
    """Return a path quoted for BindReadOnlyPaths, which systemd splits twice: into words, then at colons."""
    if ".." in path.parts:
        raise _unfit(str(path), "systemd takes no path with ..; give it without")
    text = re.sub(r"""([\\"':])""", r"\\\1", _escape_specifiers(str(path)))
    return f'"{text}"' if " " in text else text
