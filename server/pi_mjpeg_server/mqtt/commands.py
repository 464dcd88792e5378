"""What may be asked of a camera by MQTT; everything else is refused with a reason."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import voluptuous as vol

LARGEST = 4096
_MAX_CONTROLS = 64
_MAX_REASON = 200

_ID: dict[object, object] = {vol.Optional("id"): vol.All(str, vol.Length(min=1, max=64))}
_PLAIN = vol.Schema({vol.Required("command"): vol.In(("snapshot", "restart")), **_ID})
_SET = vol.Schema(
    {
        vol.Required("command"): "set",
        vol.Required("controls"): vol.All({str: object}, vol.Length(min=1, max=_MAX_CONTROLS)),
        **_ID,
    }
)


class CommandError(ValueError):
    """A message that is no command; the text says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """`name` is `snapshot`, `restart` or `set`; `id` is whatever the sender knows the answer by."""

    name: str
    id: str | None = None
    controls: Mapping[str, object] = field(default_factory=dict)


def parse(payload: bytes) -> Command:
    """Return the command in a message. Raises `CommandError`."""
    if len(payload) > LARGEST:
        raise CommandError(f"it is longer than {LARGEST} bytes")
    try:
        read = json.loads(payload)
        wants_set = isinstance(read, dict) and read.get("command") == "set"
        checked = (_SET if wants_set else _PLAIN)(read)
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise CommandError("it is not JSON") from error
    except vol.Invalid as error:
        # It may quote the message, which may hold anything.
        raise CommandError(ascii(str(error))[1 : _MAX_REASON + 1]) from error
    return Command(checked["command"], checked.get("id"), checked.get("controls", {}))
