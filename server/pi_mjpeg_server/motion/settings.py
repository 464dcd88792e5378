"""What a person sets about the motion detection of one camera."""

from dataclasses import dataclass

Region = tuple[float, float, float, float]
"""x, y, width and height of a rectangle, in fractions of the upright picture."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """The settings of one camera's motion detection.

    `sensitivity` is 1 to 100. Without regions in `watch` the whole picture is watched; `ignore` is taken from it.
    Motion ends `clear_after` seconds (at least 1) after the last picture that showed it. At most `fps` pictures a
    second are looked at.
    """

    enabled: bool = False
    sensitivity: int = 50
    watch: tuple[Region, ...] = ()
    ignore: tuple[Region, ...] = ()
    clear_after: float = 10.0
    fps: float = 5.0
