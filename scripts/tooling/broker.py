"""A Mosquitto broker on loopback. By default it accepts anonymous clients and keeps nothing on disk."""

import getpass
from collections.abc import Sequence
from pathlib import Path

from tooling.processes import Program
from tooling.programs import program

_OPEN = ("allow_anonymous true",)


def make_broker(folder: Path, port: int, settings: Sequence[str] = _OPEN) -> Program:
    """Return a broker on 127.0.0.1:`port` with its configuration and log in `folder`. `start()` starts it.

    `settings` are lines for mosquitto.conf(5), added below the listener.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "mosquitto.conf"
    lines = (
        # Started by root, Mosquitto switches to a user that may not exist.
        f"user {getpass.getuser()}",
        # So that each listener of a test can have its own access rules.
        "per_listener_settings true",
        f"listener {port} 127.0.0.1",
        *settings,
    )
    configuration.write_text("".join(f"{line}\n" for line in lines))
    return Program("Mosquitto", [program("mosquitto"), "-c", configuration], folder / "mosquitto.log")
