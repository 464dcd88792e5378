"""The arguments of every command."""

import argparse
import os
from pathlib import Path

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.cli import camera_commands, selftest_command, server_commands, state_commands
from pi_mjpeg_server.config import OPTIONS, default_configuration_file

_MIN_MEASURING, _MAX_MEASURING = 1, 60  # seconds


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it parses has the function of the command as `command`."""
    parser = argparse.ArgumentParser(
        prog="pi-mjpeg",
        description="Any number of viewers for this machine's cameras, announced to Home Assistant by MQTT.",
    )
    parser.add_argument("--version", action="version", version=f"pi-mjpeg {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about in (
        ("run", server_commands.run, "serve the cameras until stopped"),
        ("cameras", camera_commands.cameras, "list the cameras that are attached"),
        ("check", camera_commands.check, "check the configuration and take one picture with each camera"),
        (
            "selftest",
            selftest_command.selftest,
            "check this machine and its cameras, and print a report for an issue, in Markdown",
        ),
        ("snapshot", camera_commands.snapshot, "take one picture and write it to a file"),
        ("purge", server_commands.purge, "clear every retained message that this server has left at the broker"),
        (
            "install-service",
            server_commands.install_service,
            "have systemd run the server, with the options given here",
        ),
        ("token", state_commands.token, "print the access token"),
        ("view-token", state_commands.view_token, "print URLs with which others may look at one camera, and no more"),
        (
            "new-id",
            state_commands.new_id,
            "give this server a new id, because another one has the same, as after a copied SD card",
        ),
    ):
        sub = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        sub.set_defaults(command=command)
        sub.add_argument(
            "--log-level",
            choices=("debug", "info", "warning", "error"),
            default="info",
            help="the least severe messages to log (info)",
        )
        if name == "cameras":
            continue
        if name == "selftest":
            sub.add_argument(
                "--seconds",
                type=_measuring_time,
                default=5.0,
                metavar="SECONDS",
                help="how long to measure, three times for each camera; 1 to 60 (5)",
            )
        if name == "snapshot":
            sub.add_argument("file", type=Path, metavar="FILE", help="where to write the JPEG; - for standard output")
            sub.add_argument("--camera", metavar="ID", help="which camera (the first)")
        if name == "install-service":
            sub.add_argument(
                "--tls",
                action="store_true",
                help="serve HTTPS: with the certificate in /etc/pi-mjpeg, which is made if there is none",
            )
            instead = sub.add_mutually_exclusive_group()
            instead.add_argument("--print", action="store_true", help="show the unit, and change nothing")
            instead.add_argument("--remove", action="store_true", help="stop the service and remove its unit")
        if name == "token":
            sub.add_argument(
                "--rotate",
                action="store_true",
                help="make a new one first; the old one, all logins and all signed URLs become void",
            )
        if name == "view-token":
            sub.add_argument("camera", metavar="CAMERA", help="the id of the camera")
            sub.add_argument("--revoke", action="store_true", help="make the URLs that were printed before void")
        sub.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="a TOML file (or PI_MJPEG_CONFIG)",
            default=_default_file(),
        )
        for option in OPTIONS:
            if name == "install-service" and option.key == "state_dir":
                continue  # the unit's StateDirectory is the state folder
            help_text = f"{option.help}; {option.variable}"
            sub.add_argument(option.flag, dest=option.flag, metavar=option.metavar, help=help_text)
        sub.add_argument(
            "--no-auth",
            dest="--auth-mode",
            action="store_const",
            const="none",
            help="short for --auth-mode none",
        )
    return parser


def _measuring_time(text: str) -> float:
    seconds = float(text)
    if not _MIN_MEASURING <= seconds <= _MAX_MEASURING:
        raise argparse.ArgumentTypeError(f"it has to be from {_MIN_MEASURING} to {_MAX_MEASURING}")
    return seconds


def _default_file() -> Path | None:
    named = os.environ.get("PI_MJPEG_CONFIG")
    return Path(named) if named else default_configuration_file()
