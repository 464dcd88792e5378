"""Translate libcamera's controls: which of them the camera offers, and what is sent to set one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources.controls import Control, ControlValue

if TYPE_CHECKING:
    from collections.abc import Mapping

ZOOM = "Zoom"
"""A control of ours, the zoom factor; it is set as libcamera's `ScalerCrop`, a rectangle on the sensor."""

EXPOSURE = "ExposureTime"
"""libcamera's exposure time in microseconds. It cannot be longer than a frame (`FrameDurationLimits`)."""
MAX_EXPOSURE_US = 1_000_000
"""The longest exposure that is offered, unless a frame takes longer: seconds without a picture count as a failure."""
FOCUS_MODE = "AfMode"
LENS_POSITION = "LensPosition"
AUTOMATIC_EXPOSURE = "AeEnable"
EXPOSURE_MODE = "ExposureTimeMode"
"""One of the two that `AeEnable` stands for; libcamera has it since 0.5."""
_GAIN_MODE = "AnalogueGainMode"
_MANUAL = "Manual"
_MODES = {
    LENS_POSITION: FOCUS_MODE,
    "AeFlickerPeriod": "AeFlickerMode",
    EXPOSURE: EXPOSURE_MODE,
    "AnalogueGain": _GAIN_MODE,
}
"""The control whose mode has to be manual, or libcamera ignores the value."""

_AUTOMATIC_EXPOSURE_US = 200_000
"""How long the automatic exposure may make a frame in the dark."""
_LIMITS = "FrameDurationLimits"
_MAX_ZOOM = 8.0
_CROP = "ScalerCrop"
# The first three are the frame rate, which has its own setting; the others take lists or rectangles.
_EXCLUDED = frozenset(
    {
        _LIMITS,
        "FrameDuration",
        "SensorTimestamp",
        "ColourGains",
        "ColourCorrectionMatrix",
        "AfWindows",
        "AfTrigger",
        "AfPause",
        _CROP,
    }
)


def available_controls(
    camera: Any,  # noqa: ANN401
    enums: Any,  # noqa: ANN401
    values: Mapping[str, ControlValue],
    fps: float,
) -> dict[str, Control]:
    """Return the controls of an open Picamera2 by name.

    `enums` is `libcamera.controls`; `values` are those set so far, and `fps` is the configured frame rate.
    """
    found: dict[str, Control] = {}
    for name, (lowest, highest, default) in camera.camera_controls.items():
        if name in _EXCLUDED:
            continue
        limits = lowest, highest, lowest if default is None else default
        if name == EXPOSURE:
            longest = _longest_exposure(camera, fps)
            limits = lowest, min(highest, longest), min(limits[2], longest)
        control = _control(name, limits, enums)
        if control is not None:
            found[name] = replace(control, value=values.get(name, control.default))
    if _CROP in camera.camera_controls:
        found[ZOOM] = Control(ZOOM, "number", 1.0, values.get(ZOOM, 1.0), 1.0, _MAX_ZOOM)
    return found


def implied(name: str, value: ControlValue) -> dict[str, ControlValue]:
    """Return what else is to be set with a control: the mode without which libcamera ignores it."""
    if name == AUTOMATIC_EXPOSURE:
        return dict.fromkeys((EXPOSURE_MODE, _GAIN_MODE), "Auto" if value else _MANUAL)
    return {_MODES[name]: _MANUAL} if name in _MODES else {}


def in_force(values: Mapping[str, ControlValue]) -> dict[str, ControlValue]:
    """Return those of the values that are not overruled by a mode: Picamera2 would make the exposure manual again."""
    found = {name: value for name, value in values.items() if values.get(_MODES.get(name, ""), _MANUAL) == _MANUAL}
    if EXPOSURE_MODE not in values and values.get(AUTOMATIC_EXPOSURE) is True:
        found.pop(EXPOSURE, None)
    return found


def frame_duration_limits(fps: float, values: Mapping[str, ControlValue]) -> dict[str, object]:
    """Return the limits of a frame's duration, in microseconds, for a frame rate and the controls that are set.

    A range, not one value: in the dark the automatic exposure may take longer than a frame at the full rate, and an
    exposure time that a person sets needs frames that are longer still.
    """
    frame_us = int(1_000_000 / fps)
    exposure_us = int(in_force(values).get(EXPOSURE, 0))
    return {_LIMITS: (frame_us, max(frame_us, _AUTOMATIC_EXPOSURE_US, exposure_us + _readout(exposure_us)))}


def named(enums: Any, name: str, value: object) -> object:  # noqa: ANN401
    """Return the name of a menu's option for its number in libcamera, and any other value as it is."""
    members = _members(name, enums)
    if members is None or isinstance(value, bool) or not isinstance(value, int):
        return value
    return next((member for member, number in members.items() if number == value), value)


def to_libcamera(camera: Any, enums: Any, name: str, value: ControlValue) -> dict[str, object]:  # noqa: ANN401
    """Return the argument of `Picamera2.set_controls` for a validated value."""
    if name == ZOOM:
        return {_CROP: _centre_crop(camera.camera_controls[_CROP][1], float(value))}
    members = _members(name, enums)
    if members is not None and isinstance(value, str):
        return {name: members[value]}
    return {name: value}


def _longest_exposure(camera: Any, fps: float) -> int:  # noqa: ANN401
    """Return the longest exposure in microseconds: frames of that length have to be possible, too."""
    longest = max(MAX_EXPOSURE_US, int(1_000_000 / fps))
    limits = camera.camera_controls.get(_LIMITS)
    return longest if limits is None else min(longest, int(limits[1]) - _readout(int(limits[1])))


def _readout(exposure_us: int) -> int:
    """Return by how many microseconds a frame has to be longer than its exposure: a sensor needs some lines of it."""
    return max(1000, exposure_us // 100)


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
    """Return the values of a control's enumeration by name, or None.

    The bindings name it `<Control>Enum`; that of the noise reduction is among the drafts.
    """
    for place in (enums, getattr(enums, "draft", None)):
        members = getattr(getattr(place, f"{name}Enum", None), "__members__", None)
        if isinstance(members, dict):
            return {str(member): int(number) for member, number in members.items()}
    return None


def _centre_crop(full: tuple[int, int, int, int], zoom: float) -> tuple[int, int, int, int]:
    """Return the rectangle (x, y, width, height) in the centre of `full` whose sides are `zoom` times shorter."""
    x, y, width, height = full
    inner_width, inner_height = round(width / zoom), round(height / zoom)
    return x + (width - inner_width) // 2, y + (height - inner_height) // 2, inner_width, inner_height
