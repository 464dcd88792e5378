"""An MQTT broker for the house: Mosquitto, on loopback only; open to all and keeping nothing on disk unless told."""

import getpass
from collections.abc import Sequence
from pathlib import Path

from workbench.processes import Program
from workbench.programs import program

_OPEN = ("allow_anonymous true",)


def make_broker(folder: Path, port: int, settings: Sequence[str] = _OPEN) -> Program:
    """Return a broker on 127.0.0.1:PORT with its configuration and log in FOLDER; start() starts it.

    SETTINGS are lines for mosquitto.conf(5) that follow the listener's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "mosquitto.conf"
    lines = (
        # As root, Mosquitto would turn into a user that may not exist.
        f"user {getpass.getuser()}",
        # So that each listener of a test may let in others.
        "per_listener_settings true",
        f"listener {port} 127.0.0.1",
        *settings,
    )
    configuration.write_text("".join(f"{line}\n" for line in lines))
    return Program("Mosquitto", [program("mosquitto"), "-c", configuration], folder / "mosquitto.log")
