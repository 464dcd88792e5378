"""Whether Home Assistant's component cares for this server, which it says by a retained message."""

import json

import voluptuous as vol

from pi_mjpeg_server.documents import SCHEMA

_MAX_BYTES = 4096
_CLAIM = vol.Schema({vol.Required("schema"): SCHEMA, vol.Required("by"): str}, extra=vol.ALLOW_EXTRA)


class ClaimError(ValueError):
    """A message that neither makes nor ends a claim; the text says why."""


def parse(payload: bytes) -> bool:
    """Return whether a message claims this server; an empty one ends the claim. Raises `ClaimError`."""
    if not payload:
        return False
    if len(payload) > _MAX_BYTES:
        raise ClaimError(f"it is longer than {_MAX_BYTES} bytes")
    try:
        _CLAIM(json.loads(payload))
    except (ValueError, RecursionError, vol.Invalid) as error:
        raise ClaimError(f"it is not a claim of schema {SCHEMA}") from error
    return True
