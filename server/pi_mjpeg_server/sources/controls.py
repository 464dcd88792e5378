"""The controls of a camera that can be set while it runs: names, types, ranges, and validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

ControlType = Literal["boolean", "integer", "number", "menu"]
ControlValue = bool | int | float | str

_TOLERANCE = 1e-9


class ControlError(ValueError):
    """A value that a control cannot take. The message names the control and its range."""


@dataclass(frozen=True, slots=True)
class Control:
    """One control, under the driver's own name.

    The value of a menu is one of `options`. Numbers have a range, and integers also a step, counted from the minimum.
    """

    name: str
    type: ControlType
    default: ControlValue
    value: ControlValue
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    options: Sequence[str] = ()

    def validate(self, value: object) -> ControlValue:
        """Return `value` in the type of the control. Raises `ControlError`, which names the range, if it is invalid."""
        if self.type == "boolean":
            if isinstance(value, bool):
                return value
            raise ControlError(f"{self.name} has to be true or false")
        if self.type == "menu":
            if isinstance(value, str) and value in self.options:
                return value
            raise ControlError(f"{self.name} has to be one of: {', '.join(self.options)}")
        return self._validate_number(value)

    def _validate_number(self, value: object) -> int | float:
        lowest, highest = self.minimum or 0, self.maximum or 0
        whole = self.type == "integer"
        is_valid = not isinstance(value, bool) and isinstance(value, int | float) and lowest <= value <= highest
        if is_valid and whole and isinstance(value, int | float):
            steps = (value - lowest) / (self.step or 1)
            is_valid = float(value).is_integer() and abs(steps - round(steps)) < _TOLERANCE
        if not is_valid or not isinstance(value, int | float):
            kind = "a whole number" if whole else "a number"
            stepping = f" in steps of {self.step:g}" if whole and self.step not in {None, 1} else ""
            raise ControlError(f"{self.name} has to be {kind} from {lowest:g} to {highest:g}{stepping}")
        return int(value) if whole else float(value)


def validate_controls(controls: Mapping[str, Control], requested: Mapping[str, object]) -> dict[str, ControlValue]:
    """Return the requested values, each in the type of its control. Raises `ControlError` for the first invalid one."""
    values: dict[str, ControlValue] = {}
    for name, value in requested.items():
        if name not in controls:
            known = ", ".join(sorted(controls)) or "none"
            raise ControlError(f"there is no control {name[:64]!r}; there is: {known}")
        values[name] = controls[name].validate(value)
    return values
