"""An MQTT broker for the house: Mosquitto, on loopback only, open to all, keeping nothing on disk."""

import getpass
from pathlib import Path

from workbench.processes import Program
from workbench.programs import program


def make_broker(folder: Path, port: int) -> Program:
    """Return a broker on 127.0.0.1:PORT with its configuration and log in FOLDER; start() starts it."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\n"
        "allow_anonymous true\n"
        "persistence false\n"
        # As root, Mosquitto would turn into a user that may not exist.
        f"user {getpass.getuser()}\n"
    )
    return Program("Mosquitto", [program("mosquitto"), "-c", configuration], folder / "mosquitto.log")
