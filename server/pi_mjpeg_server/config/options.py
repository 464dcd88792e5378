"""The options: settings that can be given as a flag or in the environment, and how their text is parsed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _size(text: str) -> list[int]:
    width, _, height = text.lower().partition("x")
    return [int(width), int(height)]


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _float(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its section and key in the configuration, how its text is parsed, and its help text and metavar."""

    section: str
    key: str
    parse: Callable[[str], Any]
    help: str
    metavar: str = "TEXT"

    @property
    def flag(self) -> str:
        """Return its command-line flag. Those of [mqtt] and [auth] begin with the section's name."""
        prefix = f"{self.section}-" if self.section in {"mqtt", "auth"} else ""
        return f"--{prefix}{self.key.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Return the name of its environment variable."""
        return "PI_MJPEG_" + self.flag.removeprefix("--").replace("-", "_").upper()


OPTIONS = (
    Option("server", "name", str, "the name of this server (its host name)"),
    Option("server", "host", str, "the address to listen on (all)", "ADDRESS"),
    Option("server", "port", int, "the port to listen on (8000)", "PORT"),
    Option("server", "public_url", str, "the URL at which others reach this server (its own address)", "URL"),
    Option("server", "state_dir", str, "the folder for state and kept snapshots", "FOLDER"),
    Option("server", "zeroconf", _boolean, "announce the server by multicast DNS: true or false (true)", "BOOL"),
    Option("server", "tls_certificate", str, "a certificate chain in PEM (none: plain HTTP)", "FILE"),
    Option("server", "tls_key", str, "its private key", "FILE"),
    Option("auth", "mode", str, "token, or none: everybody may watch and command (token)", "WHICH"),
    Option("mqtt", "host", str, "the MQTT broker (none: no MQTT)", "HOST"),
    Option("mqtt", "port", int, "its port (1883; 8883 with TLS)", "PORT"),
    Option("mqtt", "username", str, "the user name for the broker"),
    Option("mqtt", "password_file", str, "a file that holds the password", "FILE"),
    Option("mqtt", "tls", _boolean, "connect to the broker with TLS: true or false (false)", "BOOL"),
    Option("mqtt", "ca_file", str, "the certificate authorities for the broker, in PEM (the system's)", "FILE"),
    Option("mqtt", "client_certificate", str, "the client certificate for the broker, in PEM", "FILE"),
    Option("mqtt", "client_key", str, "the key of the client certificate, in PEM (in the same file)", "FILE"),
    Option("mqtt", "discovery", str, "auto, core, integration or both (auto)", "WHICH"),
    Option("mqtt", "discovery_prefix", str, "Home Assistant's discovery prefix (homeassistant)", "TOPIC"),
    Option("camera", "source", str, "the kind of the first camera (auto)", "KIND"),
    Option("camera", "device", str, "the device of the first camera; see `pi-mjpeg cameras`", "DEVICE"),
    Option("camera", "size", _size, "width and height (1280x720)", "WxH"),
    Option("camera", "fps", _float, "pictures per second (30)", "NUMBER"),
    Option("camera", "quality", int, "JPEG quality (80)", "1-100"),
    Option("camera", "rotation", int, "clockwise rotation: 0, 90, 180 or 270 (0)", "DEGREES"),
    Option("camera", "linger", _float, "seconds to keep running after the last viewer left (10)", "SECONDS"),
    Option("camera", "warm_up", _float, "seconds after each start in which no still is taken (0)", "SECONDS"),
    Option("camera", "always_on", _boolean, "capture without viewers too: true or false (false)", "BOOL"),
)
