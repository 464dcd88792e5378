"""The commands about the server as a whole: `run`, `install-service`, `purge`."""

import argparse
import asyncio

from pi_mjpeg_server.cli.configured import configuration_of, file_mistakes, flags_of, state_configuration
from pi_mjpeg_server.cli.outcome import EXIT_FAILED, report
from pi_mjpeg_server.config import ConfigurationError, load


def run(parsed: argparse.Namespace) -> int:
    """Serve the cameras until stopped."""
    import faulthandler

    from pi_mjpeg_server import app
    from pi_mjpeg_server.concurrency.memory import limit_arenas
    from pi_mjpeg_server.web.http_server import ListenError

    # A crash in a driver, or systemd's watchdog by SIGABRT, then leaves the stack of each thread in the log.
    faulthandler.enable()
    limit_arenas()
    configuration = configuration_of(parsed)
    try:
        asyncio.run(app.run(configuration))
    except ListenError as error:
        return report(error, EXIT_FAILED)
    except ConfigurationError as error:
        # It stopped at the first file that cannot be used: name the others, too.
        raise ConfigurationError(*dict.fromkeys([*error.mistakes, *file_mistakes(configuration)])) from error
    return 0


def purge(parsed: argparse.Namespace) -> int:
    """Clear the retained messages at the broker."""
    from pi_mjpeg_server.mqtt.purge_command import PurgeError
    from pi_mjpeg_server.mqtt.purge_command import purge as clear

    try:
        print(f"{asyncio.run(clear(state_configuration(parsed, 'purge')))} topics are empty now.")
    except PurgeError as error:
        return report(error, EXIT_FAILED)
    return 0


def install_service(parsed: argparse.Namespace) -> int:
    """Install, show or remove the systemd service."""
    from pi_mjpeg_server.sources.webcam_extra import missing_webcam_extra
    from pi_mjpeg_server.system import service
    from pi_mjpeg_server.system.self_signed import SelfSigned, SelfSignedError
    from pi_mjpeg_server.system.unit import unit_text

    try:
        if parsed.remove:
            print(service.remove())
            return 0
        # Not the environment: the service will have one of its own.
        configuration = load(parsed.config, {}, flags_of(parsed))
        settings = service.unit_settings(configuration, parsed.config, flags_of(parsed))
        self_signed = SelfSigned() if parsed.tls else None
        if self_signed is not None:
            settings = service.with_self_signed(settings, configuration, self_signed)
        if parsed.print:
            print(unit_text(settings), end="")
            return 0
        print(service.install(settings, self_signed=self_signed))
    except (service.ServiceError, SelfSignedError) as error:
        return report(error, EXIT_FAILED)
    if self_signed is None and configuration.server.scheme == "http":
        print("It serves plain HTTP: who can read the network sees the token and the pictures. --tls makes it HTTPS.")
    if advice := missing_webcam_extra({camera.source for camera in configuration.cameras}):
        print(advice)
    return 0
