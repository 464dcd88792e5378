"""The commands that a camera accepts over MQTT: parsing and validation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import voluptuous as vol

from pi_mjpeg_server.recording.request import ClipRequest, ClipRequestError, clip_request

MAX_BYTES = 4096
_MAX_CONTROLS = 64
_MAX_REASON_LENGTH = 200

_ID: dict[object, object] = {vol.Optional("id"): vol.All(str, vol.Length(min=1, max=64))}
_SIMPLE = vol.Schema({vol.Required("command"): vol.In(("snapshot", "restart", "focus", "enable", "disable")), **_ID})
_SNAPSHOT = vol.Schema({vol.Required("command"): "snapshot", vol.Optional("full"): bool, **_ID})
_CLIP = vol.Schema(
    {vol.Required("command"): "clip", vol.Optional("before"): object, vol.Optional("after"): object, **_ID}
)
_SET = vol.Schema(
    {
        vol.Required("command"): "set",
        vol.Required("controls"): vol.All({str: object}, vol.Length(min=1, max=_MAX_CONTROLS)),
        **_ID,
    }
)
_SET_MOTION = vol.Schema(
    {vol.Required("command"): "set", vol.Required("motion"): vol.All({str: object}, vol.Length(min=1)), **_ID}
)


class CommandError(ValueError):
    """The payload is not a valid command; the text says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `snapshot`, `clip`, `restart`, `focus`, `enable`, `disable` or `set`.

    The `id`, if the sender gave one, is repeated in the result. `set` has either `controls` or `motion` settings, which
    are validated when it is executed. A `full` snapshot has the largest size of the camera.
    """

    name: str
    id: str | None = None
    controls: Mapping[str, object] = field(default_factory=dict)
    motion: Mapping[str, object] = field(default_factory=dict)
    clip: ClipRequest = field(default_factory=ClipRequest)
    full: bool = False


def parse(payload: bytes) -> Command:
    """Return the command in a payload. Raises `CommandError`."""
    if len(payload) > MAX_BYTES:
        raise CommandError(f"it is longer than {MAX_BYTES} bytes")
    try:
        document = json.loads(payload)
        command = _schema(document)(document)
        clip = clip_request({name: command[name] for name in ("before", "after") if name in command})
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise CommandError("it is not JSON") from error
    except vol.Invalid as error:
        # The error may quote the payload, which may contain control characters.
        raise CommandError(ascii(str(error))[1:-1][:_MAX_REASON_LENGTH]) from error
    except ClipRequestError as error:
        raise CommandError(str(error)) from error
    return Command(
        command["command"],
        command.get("id"),
        command.get("controls", {}),
        command.get("motion", {}),
        clip,
        command.get("full", False),
    )


def _schema(document: object) -> vol.Schema:
    """Return the schema of the kind of command that a document seems to be."""
    kind = document.get("command") if isinstance(document, dict) else None
    if kind == "clip":
        return _CLIP
    if kind == "snapshot":
        return _SNAPSHOT
    if kind != "set":
        return _SIMPLE
    return _SET_MOTION if isinstance(document, dict) and "motion" in document else _SET
