"""The configuration: TOML file, environment and flags, all validated by the same functions."""

from pi_mjpeg_server.config.credentials import default_configuration_file
from pi_mjpeg_server.config.errors import ConfigurationError
from pi_mjpeg_server.config.load import load
from pi_mjpeg_server.config.options import OPTIONS, Option
from pi_mjpeg_server.config.settings import AuthSettings, Configuration, MqttSettings, ServerSettings

__all__ = [
    "OPTIONS",
    "AuthSettings",
    "Configuration",
    "ConfigurationError",
    "MqttSettings",
    "Option",
    "ServerSettings",
    "default_configuration_file",
    "load",
]
