"""What a request for a clip may say, over HTTP as over MQTT."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_BEFORE = 60.0
MAX_AFTER = 300.0
"""Seconds."""
DEFAULT_AFTER = 10.0

_MAX_NAME_LENGTH = 64


class ClipRequestError(ValueError):
    """A clip cannot be requested like this; the message says why."""


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """The seconds to record: `before` the request (None: all that is in memory), and `after` it."""

    before: float | None = None
    after: float = DEFAULT_AFTER


def clip_request(values: Mapping[str, object]) -> ClipRequest:
    """Return the request in a JSON object such as `{"before": 5, "after": 10}`. Raises `ClipRequestError`."""
    for name in values:
        if name not in {"before", "after"}:
            raise ClipRequestError(f"a clip has no {name[:_MAX_NAME_LENGTH]!a}; it has: before, after")
    return ClipRequest(
        _seconds("before", values["before"], MAX_BEFORE) if "before" in values else None,
        _seconds("after", values["after"], MAX_AFTER) if "after" in values else DEFAULT_AFTER,
    )


def _seconds(name: str, value: object, maximum: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:
        raise ClipRequestError(f"{name} has to be a number of seconds from 0 to {maximum:g}")
    return float(value)
