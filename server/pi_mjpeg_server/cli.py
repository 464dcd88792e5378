"""The command `pi-mjpeg`.

A command imports what it needs when it runs, so that `pi-mjpeg --help` and `pi-mjpeg token` answer at once: aiohttp,
paho-mqtt, voluptuous and zeroconf together take a Pi several seconds to import. At the top stands what every command
needs.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraOffError, CameraUnavailableError
from pi_mjpeg_server.config import OPTIONS, Configuration, ConfigurationError, load

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h. The systemd unit does not restart the service after it, because that would not help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 for success, 1 failed, 2 wrong usage, 78 bad configuration."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=parsed.log_level.upper(), format=_log_format(), stream=sys.stderr)
    logging.captureWarnings(capture=True)
    if parsed.log_level == "info":
        # Picamera2 logs each of its steps at this level, and this server logs the same with the camera's name.
        logging.getLogger("picamera2").setLevel(logging.WARNING)
    try:
        code: int = parsed.command(parsed)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            _report(mistake, EXIT_CONFIGURATION)
        return EXIT_CONFIGURATION
    except (CameraUnavailableError, OSError) as error:
        return _report(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return 0
    return code


def _report(error: Exception | str, code: int) -> int:
    """Print an error whose message is for the user, and return the exit code."""
    print(f"pi-mjpeg: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pi-mjpeg",
        description="Any number of viewers for this machine's cameras, announced to Home Assistant by MQTT.",
    )
    parser.add_argument("--version", action="version", version=f"pi-mjpeg {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about in (
        ("run", _run, "serve the cameras until stopped"),
        ("cameras", _cameras, "list the cameras that are attached"),
        ("check", _check, "check the configuration and take one picture with each camera"),
        ("snapshot", _snapshot, "take one picture and write it to a file"),
        ("purge", _purge, "clear every retained message that this server has left at the broker"),
        ("install-service", _install_service, "have systemd run the server, with the options given here"),
        ("token", _token, "print the access token"),
        ("new-id", _new_id, "give this server a new id, because another one has the same, as after a copied SD card"),
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


def _default_file() -> Path | None:
    named = os.environ.get("PI_MJPEG_CONFIG")
    return Path(named) if named else None


def _configuration(parsed: argparse.Namespace) -> Configuration:
    return load(parsed.config, os.environ, _flags(parsed))


def _flags(parsed: argparse.Namespace) -> dict[str, str | None]:
    return {option.flag: getattr(parsed, option.flag, None) for option in OPTIONS}


def _run(parsed: argparse.Namespace) -> int:
    import faulthandler

    from pi_mjpeg_server.app import run
    from pi_mjpeg_server.concurrency.memory import limit_arenas
    from pi_mjpeg_server.web.http_server import ListenError

    # A crash in a driver, or systemd's watchdog by SIGABRT, then leaves the stack of each thread in the log.
    faulthandler.enable()
    limit_arenas()
    configuration = _configuration(parsed)
    try:
        asyncio.run(run(configuration))
    except ListenError as error:
        return _report(error, EXIT_FAILED)
    except ConfigurationError as error:
        # It stopped at the first file that cannot be used: name the others, too.
        raise ConfigurationError(*dict.fromkeys([*error.mistakes, *_file_mistakes(configuration)])) from error
    return 0


def _cameras(_: argparse.Namespace) -> int:
    from pi_mjpeg_server.sources import SourceError, kinds

    for name, load_kind in kinds().items():
        try:
            devices = load_kind().devices()
        except SourceError as error:
            print(f"{name}: none ({error})")
            continue
        except Exception as error:  # noqa: BLE001  (a driver's bug costs only its own kind)
            print(f"{name}: none (its list cannot be read: {type(error).__name__}: {error})")
            continue
        if not devices:
            print(f"{name}: none attached")
        for device in devices:
            detail = f" ({device.detail})" if device.detail else ""
            print(f"{name}: {device.model}{detail}\n    source = {name!r}, device = {device.device!r}")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    from pi_mjpeg_server.server import make_cameras
    from pi_mjpeg_server.sources.webcam_extra import missing_webcam_extra

    configuration = _configuration(parsed)
    if mistakes := _file_mistakes(configuration):
        raise ConfigurationError(*mistakes)
    print("The configuration is right.")
    code = asyncio.run(_with_cameras(make_cameras(configuration), _picture_of_each))
    if advice := missing_webcam_extra({camera.source for camera in configuration.cameras}):
        print(advice)
    return code


def _file_mistakes(configuration: Configuration) -> list[str]:
    """Return a sentence about each file that the configuration names and that cannot be used."""
    from pi_mjpeg_server.mqtt import broker_security
    from pi_mjpeg_server.web.http_server import load_certificate

    mistakes: list[str] = []
    try:
        load_certificate(configuration.server)
    except ConfigurationError as error:
        mistakes += error.mistakes
    try:
        if configuration.mqtt.host is not None:
            broker_security.check(configuration.mqtt)
    except ConfigurationError as error:
        mistakes += error.mistakes
    return mistakes


def _snapshot(parsed: argparse.Namespace) -> int:
    from pi_mjpeg_server.server import make_cameras

    cameras = make_cameras(_configuration(parsed))
    requested = parsed.camera or cameras[0].settings.id
    chosen = [camera for camera in cameras if camera.settings.id == requested]
    if not chosen:
        known = ", ".join(camera.settings.id for camera in cameras)
        print(f"pi-mjpeg: there is no camera {requested!r}; there is: {known}", file=sys.stderr)
        return EXIT_USAGE

    async def write(cameras: Sequence[Camera]) -> int:
        frame = await cameras[0].still(time.monotonic())
        if parsed.file == Path("-"):
            await asyncio.to_thread(sys.stdout.buffer.write, frame.jpeg)
        else:
            await asyncio.to_thread(parsed.file.write_bytes, frame.jpeg)
        return 0

    return asyncio.run(_with_cameras(chosen, write))


def _purge(parsed: argparse.Namespace) -> int:
    from pi_mjpeg_server.mqtt.purge_command import PurgeError, purge

    try:
        print(f"{asyncio.run(purge(_configuration(parsed)))} topics are empty now.")
    except PurgeError as error:
        return _report(error, EXIT_FAILED)
    return 0


def _install_service(parsed: argparse.Namespace) -> int:
    from pi_mjpeg_server.sources.webcam_extra import missing_webcam_extra
    from pi_mjpeg_server.system import service
    from pi_mjpeg_server.system.self_signed import SelfSigned, SelfSignedError
    from pi_mjpeg_server.system.unit import unit_text

    try:
        if parsed.remove:
            print(service.remove())
            return 0
        # Not the environment: the service will have one of its own.
        configuration = load(parsed.config, {}, _flags(parsed))
        settings = service.unit_settings(configuration, parsed.config, _flags(parsed))
        self_signed = SelfSigned() if parsed.tls else None
        if self_signed is not None:
            settings = service.with_self_signed(settings, configuration, self_signed)
        if parsed.print:
            print(unit_text(settings), end="")
            return 0
        print(service.install(settings, self_signed=self_signed))
    except (service.ServiceError, SelfSignedError) as error:
        return _report(error, EXIT_FAILED)
    if self_signed is None and configuration.server.scheme == "http":
        print("It serves plain HTTP: who can read the network sees the token and the pictures. --tls makes it HTTPS.")
    if advice := missing_webcam_extra({camera.source for camera in configuration.cameras}):
        print(advice)
    return 0


def _token(parsed: argparse.Namespace) -> int:
    from pi_mjpeg_server.server import make_access_token, token_file
    from pi_mjpeg_server.storage.access_token import new_token

    configuration = _configuration(parsed)
    if parsed.rotate:
        new_token(token_file(configuration))
    print(make_access_token(configuration).value)
    return 0


def _new_id(parsed: argparse.Namespace) -> int:
    from pi_mjpeg_server.mqtt.retained_topics_file import FILE_NAME
    from pi_mjpeg_server.server import change_id
    from pi_mjpeg_server.storage.safe_open import remove_file

    configuration = _configuration(parsed)
    print(f"The id is {change_id(configuration)} from the next start on: restart the server.")
    # What stands at the broker under the old id is the other server's: this one must not clear it.
    with contextlib.suppress(FileNotFoundError):
        remove_file(configuration.server.state_dir / FILE_NAME)
    return 0


async def _picture_of_each(cameras: Sequence[Camera]) -> int:
    code = 0
    for camera in cameras:
        try:
            frame = await camera.still(time.monotonic())
        except CameraOffError as error:
            print(f"{error}; no picture is taken")
            continue
        except CameraUnavailableError as error:
            print(f"{camera.settings.name}: no picture: {error}")
            code = EXIT_FAILED
            continue
        info = camera.source_info
        size = f"{info.size[0]}x{info.size[1]}" if info.size else "a picture"
        print(f"{camera.settings.name}: {size} from {info.model or camera.settings.source}, {len(frame.jpeg)} bytes")
    return code


async def _with_cameras(cameras: Sequence[Camera], do: Callable[[Sequence[Camera]], Coroutine[None, None, int]]) -> int:
    for camera in cameras:
        camera.start()
    try:
        return await do(cameras)
    finally:
        await asyncio.gather(*(camera.stop() for camera in cameras))


def _log_format() -> str:
    """Return the format of log lines: without the time where they go to the journal, which adds its own."""
    return "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)s %(message)s"
