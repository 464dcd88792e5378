"""The controls of a camera that can be set while it runs: names, types, ranges, and validation."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

ControlType = Literal["boolean", "integer", "number", "menu"]
ControlValue = bool | int | float | str

_TOLERANCE = 1e-9
_AUTOMATIC_LIBCAMERA = frozenset({"AeEnable", "AwbEnable", "AfMode", "ExposureTimeMode", "AnalogueGainMode"})


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
            # Of the range that a driver tells, the end need not be a whole number of steps from its begin.
            steps = (value - lowest) / (self.step or 1)
            is_step = abs(steps - round(steps)) < _TOLERANCE or value == highest
            is_valid = float(value).is_integer() and is_step
        if not is_valid or not isinstance(value, int | float):
            kind = "a whole number" if whole else "a number"
            stepping = f" in steps of {_written(self.step)}" if whole and self.step not in {None, 1} else ""
            raise ControlError(f"{self.name} has to be {kind} from {_written(lowest)} to {_written(highest)}{stepping}")
        return int(value) if whole else float(value)


def _written(number: float | None) -> str:
    """Return a whole number with all of its digits, and another one with six."""
    return f"{number:.0f}" if number is not None and float(number).is_integer() else f"{number:g}"


class AdjustableSource(Protocol):
    """A source whose controls can be set; see `pi_mjpeg_server.sources.Adjustable`."""

    def controls(self) -> Mapping[str, Control]:
        """Return the controls by name, with their present values."""

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control to a validated value."""


def validate_controls(controls: Mapping[str, Control], requested: Mapping[str, object]) -> dict[str, ControlValue]:
    """Return the requested values, each in the type of its control. Raises `ControlError` for the first invalid one."""
    values: dict[str, ControlValue] = {}
    for name, value in requested.items():
        if name not in controls:
            known = ", ".join(sorted(controls)) or "none"
            raise ControlError(f"there is no control {name[:64]!r}; there is: {known}")
        values[name] = controls[name].validate(value)
    return values


def is_automatic(name: str) -> bool:
    """Whether a control lets the camera choose the value of others, such as `auto_exposure` or `AwbEnable`."""
    return "auto" in name.lower() or name in _AUTOMATIC_LIBCAMERA


def set_controls(
    source: AdjustableSource, values: Mapping[str, ControlValue]
) -> tuple[Mapping[str, Control], Mapping[str, ControlValue]]:
    """Set all of the validated `values`, or none: when one cannot be set, those before it are set back.

    Automatic controls come first, because they lock others. What fails is tried once more at the end. Raises what the
    source raised then. Returns the controls as they are now, and the values to keep: those, and that of each menu that
    has changed with them, as the focus mode does with the position of the lens.
    """
    before = source.controls()
    waiting = sorted(values, key=lambda name: not is_automatic(name))
    done: list[str] = []
    failed: list[str] = []
    for name in waiting:
        try:
            source.set_control(name, values[name])
        except Exception:  # noqa: BLE001  (tried again below, where it is raised)
            failed.append(name)
        else:
            done.append(name)
    try:
        for name in failed:
            source.set_control(name, values[name])
            done.append(name)
    except Exception:
        for name in reversed(done):
            # One that cannot be set back must not keep the others from it.
            with contextlib.suppress(Exception):
                source.set_control(name, before[name].value)
        raise
    after = source.controls()
    changed = {
        name: control.value
        for name, control in after.items()
        if control.type == "menu" and name in before and before[name].value != control.value
    }
    return after, {**values, **changed}
