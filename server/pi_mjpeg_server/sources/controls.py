"""What can be adjusted on a camera while it runs: names, types, ranges, and the check of a wish against them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ControlType = Literal["boolean", "integer", "number", "menu"]
ControlValue = bool | int | float | str

_SLACK = 1e-9


class ControlError(ValueError):
    """A wish that a camera cannot fulfil; the message names the control and what it takes."""


@dataclass(frozen=True, slots=True)
class Control:
    """One adjustable property, under the driver's own name.

    A menu's value is one of `options`; the others have a range, and integers a step from the minimum on.
    """

    name: str
    type: ControlType
    default: ControlValue
    value: ControlValue
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    options: Sequence[str] = ()

    def checked(self, value: object) -> ControlValue:
        """Return `value` as the driver takes it. Raises `ControlError` with the range."""
        if self.type == "boolean":
            if isinstance(value, bool):
                return value
            raise ControlError(f"{self.name} has to be true or false")
        if self.type == "menu":
            if isinstance(value, str) and value in self.options:
                return value
            raise ControlError(f"{self.name} has to be one of: {', '.join(self.options)}")
        return self._number(value)

    def _number(self, value: object) -> int | float:
        lowest, highest = self.minimum or 0, self.maximum or 0
        whole = self.type == "integer"
        fits = not isinstance(value, bool) and isinstance(value, int | float) and lowest <= value <= highest
        if fits and whole and isinstance(value, int | float):
            steps = (value - lowest) / (self.step or 1)
            fits = float(value).is_integer() and abs(steps - round(steps)) < _SLACK
        if not fits or not isinstance(value, int | float):
            kind = "a whole number" if whole else "a number"
            stepping = f" in steps of {self.step:g}" if whole and self.step not in {None, 1} else ""
            raise ControlError(f"{self.name} has to be {kind} from {lowest:g} to {highest:g}{stepping}")
        return int(value) if whole else float(value)


def checked(controls: Mapping[str, Control], wishes: Mapping[str, object]) -> dict[str, ControlValue]:
    """Return all wishes as the driver takes them. Raises `ControlError` at the first one that cannot be."""
    values: dict[str, ControlValue] = {}
    for name, value in wishes.items():
        if name not in controls:
            known = ", ".join(sorted(controls)) or "none"
            raise ControlError(f"there is no control {name[:64]!r}; there is: {known}")
        values[name] = controls[name].checked(value)
    return values
