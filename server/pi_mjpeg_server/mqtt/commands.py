"""What may be asked of a camera by MQTT; everything else is refused with a reason."""

import json

import voluptuous as vol

LARGEST = 4096

_COMMAND = vol.Schema({vol.Required("command"): vol.In(("snapshot", "restart"))})


class CommandError(ValueError):
    """A message that is no command; the text says why."""


def parse(payload: bytes) -> str:
    """Return the command in a message: `snapshot` or `restart`. Raises `CommandError`."""
    if len(payload) > LARGEST:
        raise CommandError(f"it is longer than {LARGEST} bytes")
    try:
        command: str = _COMMAND(json.loads(payload))["command"]
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise CommandError("it is not JSON") from error
    except vol.Invalid as error:
        raise CommandError(str(error)) from error
    return command
