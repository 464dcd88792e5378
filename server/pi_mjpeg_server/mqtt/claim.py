"""The claim: a retained message by which Home Assistant's component says that it manages this server."""

import json

import voluptuous as vol

from pi_mjpeg_server.documents import SCHEMA

_MAX_BYTES = 4096
_CLAIM = vol.Schema({vol.Required("schema"): SCHEMA, vol.Required("by"): str}, extra=vol.ALLOW_EXTRA)


class ClaimError(ValueError):
    """The payload is neither a claim nor empty; the text says why."""


def parse(payload: bytes) -> bool:
    """Return whether the payload claims this server: an empty one ends the claim. Raises `ClaimError`."""
    if not payload:
        return False
    if len(payload) > _MAX_BYTES:
        raise ClaimError(f"it is longer than {_MAX_BYTES} bytes")
    try:
        _CLAIM(json.loads(payload))
    except (ValueError, RecursionError, vol.Invalid) as error:
        raise ClaimError(f"it is not a claim of schema {SCHEMA}") from error
    return True
