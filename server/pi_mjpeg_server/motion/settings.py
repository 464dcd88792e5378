"""The motion settings of one camera."""

from dataclasses import dataclass

Region = tuple[float, float, float, float]
"""x, y, width and height of a rectangle, in fractions of the upright picture."""


class MotionSettingError(ValueError):
    """A motion setting does not exist or cannot have the value; the message says which and why."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Whether and how a camera is watched for motion.

    `sensitivity` is 1 to 100. Only what is in a region of `watch` (everywhere, if there is none) and in none of
    `ignore` counts. Motion ends when nothing has moved for `clear_after` seconds. At most `fps` pictures a second are
    looked at.
    """

    enabled: bool = False
    sensitivity: int = 50
    watch: tuple[Region, ...] = ()
    ignore: tuple[Region, ...] = ()
    clear_after: float = 10.0
    fps: float = 5.0
