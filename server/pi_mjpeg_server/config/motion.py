"""Validates motion settings that are changed at run time, by HTTP or MQTT, or that were stored."""

import difflib
from collections.abc import Mapping
from typing import Any

from pi_mjpeg_server.config.validators import MOTION
from pi_mjpeg_server.motion.settings import MotionSettingError

_MAX_NAME_LENGTH = 64


def validated_motion(values: object) -> dict[str, Any]:
    """Return motion settings by name as `MotionSettings` has them. Raises `MotionSettingError`, in words."""
    known = ", ".join(MOTION)
    if not isinstance(values, Mapping) or not values:
        raise MotionSettingError(f"motion has to be an object with some of: {known}")
    valid = {}
    for name, value in values.items():
        if name not in MOTION:
            near = difflib.get_close_matches(str(name)[:_MAX_NAME_LENGTH], MOTION, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there is: {known}"
            raise MotionSettingError(f"there is no motion setting {str(name)[:_MAX_NAME_LENGTH]!r}; {meant}")
        try:
            valid[name] = MOTION[name](value)
        except ValueError as error:
            raise MotionSettingError(f"{name} {error}") from error
    return valid
