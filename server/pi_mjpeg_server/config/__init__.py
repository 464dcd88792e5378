"""What the server is told: TOML, environment and flags, checked by one schema."""

from pi_mjpeg_server.config.load import load
from pi_mjpeg_server.config.mistakes import ConfigurationError
from pi_mjpeg_server.config.model import AuthSettings, Configuration, MqttSettings, ServerSettings
from pi_mjpeg_server.config.options import OPTIONS, Option

__all__ = [
    "OPTIONS",
    "AuthSettings",
    "Configuration",
    "ConfigurationError",
    "MqttSettings",
    "Option",
    "ServerSettings",
    "load",
]
