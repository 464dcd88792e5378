"""The configuration that a command's arguments, the environment and the file make together."""

import argparse
import os
import sys

from pi_mjpeg_server.config import OPTIONS, Configuration, ConfigurationError, load
from pi_mjpeg_server.config.settings import SERVICE_FOLDER, default_state_folder


def configuration_of(parsed: argparse.Namespace) -> Configuration:
    """Return the configuration. Raises `ConfigurationError`."""
    return load(parsed.config, os.environ, flags_of(parsed))


def state_configuration(parsed: argparse.Namespace, command: str) -> Configuration:
    """Return the configuration for a command about the state folder.

    Where nobody says which, it is that of this user, and most often that of the service is meant: its name is printed
    to standard error. Raises `ConfigurationError`.
    """
    configuration = configuration_of(parsed)
    used = configuration.server.state_dir
    if used == default_state_folder() and used != SERVICE_FOLDER and os.path.lexists(SERVICE_FOLDER):
        print(
            f"pi-mjpeg: this is about {used}; for the service: sudo pi-mjpeg {command} --state-dir {SERVICE_FOLDER}",
            file=sys.stderr,
        )
    return configuration


def flags_of(parsed: argparse.Namespace) -> dict[str, str | None]:
    """Return the options that were given as flags, None for those that were not."""
    return {option.flag: getattr(parsed, option.flag, None) for option in OPTIONS}


def file_mistakes(configuration: Configuration) -> list[str]:
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
