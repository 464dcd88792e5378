"""The text of the systemd unit: a pure function of where things are on this machine."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NAME = "pi-mjpeg.service"

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108  (named, not used)
_FIRST_FREE_PORT = 1024

_UNIT = """\
# Written by `pi-mjpeg install-service`, which overwrites it. What you add with `systemctl edit pi-mjpeg` stays.
[Unit]
Description=Raspberry Pi cameras for Home Assistant (pi-mjpeg)
Documentation=https://github.com/pi-mjpeg/pi_mjpeg
Wants=network-online.target
After=network-online.target
# A camera may be away for a week: try for ever.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
WatchdogSec=60
TimeoutStopSec=20
Restart=always
RestartSec=5
# Bad configuration: trying again would not help.
RestartPreventExitStatus=78

# A user of its own that exists while the service runs. systemd reads the files below as root and hands it copies.
DynamicUser=yes
SupplementaryGroups=video
StateDirectory=pi-mjpeg
StateDirectoryMode=0700
Environment=PI_MJPEG_STATE_DIR=%S/pi-mjpeg
{files}UMask=0077

# The machine's other work goes first.
Nice=5
CPUWeight=50
# It does nothing where the kernel's command line says cgroup_disable=memory, as a Pi's firmware has it by default.
MemoryMax=75%

# Cameras and the memory they share, and no other device.
DevicePolicy=closed
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw

# The system is read-only, and homes are empty but for what the program is made of.
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
# A camera driver that asks for more is told no, and not killed.
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a unit is written from; all paths are absolute.

    `command` is the program with its arguments. `files` are those that only root need be able to read, by the
    environment variable that names each to the server. `code` are the folders the program is made of, and others
    that it reads. `port` is the one it listens on.
    """

    command: Sequence[str]
    files: Mapping[str, Path] = field(default_factory=dict)
    code: Sequence[Path] = ()
    port: int = 8000


def unit(facts: Facts) -> str:
    """Return the text of the unit. What Facts hold is quoted as systemd.syntax(7) and systemd.service(5) tell."""
    files = "".join(
        f"LoadCredential={_credential(variable)}:{_specifiers(str(path))}\n"
        f"Environment={variable}=%d/{_credential(variable)}\n"
        for variable, path in facts.files.items()
    )
    shown = sorted({path for path in facts.code if is_hidden(path)})
    binds = "".join(f"BindReadOnlyPaths={_bound(path)}\n" for path in shown)
    program, *arguments = facts.command
    return _UNIT.format(
        command=" ".join([_word(program), *(_word(argument).replace("$", "$$") for argument in arguments)]),
        files=files,
        homes=f"ProtectHome=tmpfs\n{binds}" if shown else "ProtectHome=yes\n",
        capability="CAP_NET_BIND_SERVICE" if facts.port < _FIRST_FREE_PORT else "",
    )


def is_hidden(path: Path) -> bool:
    """Whether the unit's service sees a path only when it is shown to it by name."""
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _credential(variable: str) -> str:
    return variable.removeprefix("PI_MJPEG_").lower().replace("_", "-")


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    text = _specifiers(text)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bound(path: Path) -> str:
    """Return a path for systemd to take apart twice: into words, then at colons."""
    text = re.sub(r"""([\\"':])""", r"\\\1", _specifiers(str(path)))
    return f'"{text}"' if " " in text else text
