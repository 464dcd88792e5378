"""The command `pi-mjpeg`.

A command imports what it needs when it runs, so that `pi-mjpeg --help` and `pi-mjpeg token` answer at once: aiohttp,
paho-mqtt, voluptuous and zeroconf together take a Pi several seconds to import. At the top of each file stands what
every command needs.
"""

import logging
import os
import sys
from collections.abc import Sequence

from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.cli.arguments import make_parser
from pi_mjpeg_server.cli.outcome import EXIT_CONFIGURATION, EXIT_FAILED, report
from pi_mjpeg_server.config import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 for success, 1 failed, 2 wrong usage, 78 bad configuration.

    Ctrl-C is a failure, unless the command has a use for it, as `run` has once it serves.
    """
    parsed = make_parser().parse_args(arguments)
    logging.basicConfig(level=parsed.log_level.upper(), format=_log_format(), stream=sys.stderr)
    logging.captureWarnings(capture=True)
    if parsed.log_level == "info":
        # Picamera2 logs each of its steps at this level, and this server logs the same with the camera's name.
        logging.getLogger("picamera2").setLevel(logging.WARNING)
    try:
        code: int = parsed.command(parsed)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            report(mistake, EXIT_CONFIGURATION)
        return EXIT_CONFIGURATION
    except (CameraUnavailableError, OSError) as error:
        return report(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_FAILED
    return code


def _log_format() -> str:
    """Return the format of log lines: without the time where they go to the journal, which adds its own."""
    return "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)s %(message)s"
