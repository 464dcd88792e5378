"""The ids of snapshots and clips: the camera, the time and a random number, so that they sort as text as in time."""

import re
import secrets
from datetime import UTC, datetime

ID = re.compile(r"[a-z0-9_]+-\d{8}T\d{9}Z-[0-9a-f]{8}")


def new_id(camera: str, timestamp: float) -> str:
    """Return a new id for a picture of `camera` of that time, in seconds since 1970."""
    return f"{camera}-{time_in_id(timestamp)}-{secrets.token_hex(4)}"


def camera_of_id(identity: str) -> str:
    """Return the id of the camera in an id."""
    return identity.partition("-")[0]


def time_of_id(identity: str) -> float:
    """Return the time in an id, in seconds since 1970. Raises `ValueError` when it is none."""
    text = identity.split("-")[1]
    return datetime.strptime(f"{text[:-4]}.{text[-4:-1]}+0000", "%Y%m%dT%H%M%S.%f%z").timestamp()


def time_in_id(timestamp: float) -> str:
    """Return seconds since 1970 as ids hold them: UTC with milliseconds, sorted as text as in time."""
    taken = datetime.fromtimestamp(timestamp, UTC)
    return f"{taken:%Y%m%dT%H%M%S}{taken.microsecond // 1000:03}Z"
