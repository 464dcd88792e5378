"""Translate libcamera's controls: which of them the camera offers, and what is sent to set one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources.controls import Control, ControlValue

if TYPE_CHECKING:
    from collections.abc import Mapping

ZOOM = "Zoom"
"""A control of ours, the zoom factor; it is set as libcamera's `ScalerCrop`, a rectangle on the sensor."""

_MAX_ZOOM = 8.0
_CROP = "ScalerCrop"
# The first three are the frame rate, which has its own setting; the others take lists or rectangles.
_EXCLUDED = frozenset(
    {
        "FrameDurationLimits",
        "FrameDuration",
        "SensorTimestamp",
        "ColourGains",
        "ColourCorrectionMatrix",
        "AfWindows",
        "AfTrigger",
        "AfPause",
        "AeFlickerPeriod",
        _CROP,
    }
)


def available_controls(camera: Any, enums: Any, values: Mapping[str, ControlValue]) -> dict[str, Control]:  # noqa: ANN401
    """Return the controls of an open Picamera2 by name.

    `enums` is `libcamera.controls`; `values` are those set so far.
    """
    found: dict[str, Control] = {}
    for name, (lowest, highest, default) in camera.camera_controls.items():
        if name in _EXCLUDED:
            continue
        control = _control(name, (lowest, highest, lowest if default is None else default), enums)
        if control is not None:
            found[name] = replace(control, value=values.get(name, control.default))
    if _CROP in camera.camera_controls:
        found[ZOOM] = Control(ZOOM, "number", 1.0, values.get(ZOOM, 1.0), 1.0, _MAX_ZOOM)
    return found


def to_libcamera(camera: Any, enums: Any, name: str, value: ControlValue) -> dict[str, object]:  # noqa: ANN401
    """Return the argument of `Picamera2.set_controls` for a validated value."""
    if name == ZOOM:
        return {_CROP: _centre_crop(camera.camera_controls[_CROP][1], float(value))}
    members = _members(name, enums)
    if members is not None and isinstance(value, str):
        return {name: members[value]}
    return {name: value}


def _control(name: str, limits: tuple[Any, Any, Any], enums: Any) -> Control | None:  # noqa: ANN401
    lowest, highest, default = limits
    if isinstance(lowest, bool):
        return Control(name, "boolean", bool(default), bool(default))
    members = _members(name, enums)
    if members is not None and isinstance(lowest, int):
        named = {number: member for member, number in members.items() if lowest <= number <= highest}
        first = named.get(int(default)) or next(iter(named.values()), "")
        return Control(name, "menu", first, first, options=tuple(named.values()))
    if isinstance(lowest, int) and isinstance(highest, int):
        return Control(name, "integer", int(default), int(default), lowest, highest, 1)
    if isinstance(lowest, float) and isinstance(highest, float):
        return Control(name, "number", float(default), float(default), lowest, highest)
    return None


def _members(name: str, enums: Any) -> dict[str, int] | None:  # noqa: ANN401
    """Return the values of a control's enumeration by name, or None. The bindings name it `<Control>Enum`."""
    members = getattr(getattr(enums, f"{name}Enum", None), "__members__", None)
    return {str(member): int(number) for member, number in members.items()} if isinstance(members, dict) else None


def _centre_crop(full: tuple[int, int, int, int], zoom: float) -> tuple[int, int, int, int]:
    """Return the rectangle (x, y, width, height) in the centre of `full` whose sides are `zoom` times shorter."""
    x, y, width, height = full
    inner_width, inner_height = round(width / zoom), round(height / zoom)
    return x + (width - inner_width) // 2, y + (height - inner_height) // 2, inner_width, inner_height
