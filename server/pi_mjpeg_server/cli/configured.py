"""The configuration that a command's arguments, the environment and the file make together."""

import argparse
import os

from pi_mjpeg_server.config import OPTIONS, Configuration, ConfigurationError, load


def configuration_of(parsed: argparse.Namespace) -> Configuration:
    """Return the configuration. Raises `ConfigurationError`."""
    return load(parsed.config, os.environ, flags_of(parsed))


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
