"""Whether the controls of a camera change its pictures: the exposure, and the focus."""

import contextlib
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from PIL import Image, ImageFilter, ImageStat

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.motion.picture import decode
from pi_mjpeg_server.selftest.camera_steps import capturing, opened
from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import Adjustable
from pi_mjpeg_server.sources.controls import Control, ControlError, ControlValue, set_controls, validate_controls

_EFFECT_AFTER = 1.0
"""Seconds after which a control has had its effect: it takes some frames, and a lens moves slowly."""
_MIN_CHANGE = 5.0
"""Grey values by which the brightness has to change."""
_MIN_SHARPER = 1.1
_SHARPNESS_BOX = 640


@dataclass(frozen=True, slots=True)
class _Experiment:
    """A control whose effect can be seen, the two values to compare, and what has to be set before."""

    control: str
    low: float
    high: float
    before: Mapping[str, ControlValue] = field(default_factory=dict)


_BRIGHTNESS = (
    # libcamera, in microseconds; V4L2 (UVC), in steps of 100 us.
    _Experiment("ExposureTime", 1_000, 30_000, {"AeEnable": False}),
    _Experiment("exposure_time_absolute", 10, 300, {"auto_exposure": "Manual Mode"}),
    _Experiment("Brightness", -0.4, 0.4),
    _Experiment("brightness", -1e9, 1e9),
)
_FOCUS = (
    _Experiment("LensPosition", 0.0, 10.0, {"AfMode": "Manual"}),
    _Experiment("focus_absolute", -1e9, 1e9, {"focus_automatic_continuous": False}),
)


def exposure(target: Target, _seconds: float) -> Finding:
    """Set the exposure, or else the brightness, to two values, and compare how bright the pictures are."""
    with opened(target) as (source, _):
        controls = source.controls() if isinstance(source, Adjustable) else {}
        experiment = _first(_BRIGHTNESS, controls)
        if experiment is None or not isinstance(source, Adjustable):
            return absent("it has neither exposure nor brightness")
        with _restoring(source, experiment), capturing(source.frames()) as pictures:
            low, high = _values(controls[experiment.control], experiment)
            dark = _brightness(_with(source, pictures, experiment, low))
            bright = _brightness(_with(source, pictures, experiment, high))
    text = f"{experiment.control} {low:g}: brightness {dark:.0f} of 255; {high:g}: {bright:.0f}"
    if bright - dark < _MIN_CHANGE:
        return failed(f"{text}: no effect is seen; point the camera at something that is neither black nor white")
    return passed(text)


def focus(target: Target, _seconds: float) -> Finding:
    """Move the lens to three places, and compare how sharp the pictures are."""
    with opened(target) as (source, _):
        controls = source.controls() if isinstance(source, Adjustable) else {}
        experiment = _first(_FOCUS, controls)
        if experiment is None or not isinstance(source, Adjustable):
            return absent("its focus cannot be set")
        control = controls[experiment.control]
        low, high = _values(control, experiment)
        middle = _inside(control, (low + high) / 2)
        with _restoring(source, experiment), capturing(source.frames()) as pictures:
            seen = {place: sharpness(_with(source, pictures, experiment, place)) for place in (low, middle, high)}
    text = ", ".join(f"{experiment.control} {place:g}: sharpness {value:.0f}" for place, value in seen.items())
    if max(seen.values()) < min(seen.values()) * _MIN_SHARPER:
        return failed(f"{text}: no effect is seen; point the camera at something with details at one distance")
    return passed(text)


def _first(experiments: tuple[_Experiment, ...], controls: Mapping[str, Control]) -> _Experiment | None:
    return next((each for each in experiments if each.control in controls), None)


def _values(control: Control, experiment: _Experiment) -> tuple[float, float]:
    """Return the two values, as far as the control has them."""
    return _inside(control, experiment.low), _inside(control, experiment.high)


def _inside(control: Control, value: float) -> float:
    """Return the nearest value that the control can have, or one just below it."""
    lowest, highest, step = control.minimum or 0, control.maximum or 0, control.step or 0
    limited = min(max(value, lowest), highest)
    return lowest + (limited - lowest) // step * step if step else limited


def _with(source: Adjustable, pictures: Iterator[Picture], experiment: _Experiment, value: float) -> Picture:
    """Return a picture that was taken with this value of the control."""
    next(pictures)
    controls = source.controls()
    before = {name: wanted for name, wanted in experiment.before.items() if _takes(controls, name, wanted)}
    set_controls(source, validate_controls(controls, {**before, experiment.control: value}))
    until = time.monotonic() + _EFFECT_AFTER
    while True:
        picture = next(pictures)
        if time.monotonic() >= until:
            return picture


def _takes(controls: Mapping[str, Control], name: str, value: ControlValue) -> bool:
    try:
        validate_controls(controls, {name: value})
    except ControlError:
        return False
    return True


@contextlib.contextmanager
def _restoring(source: Adjustable, experiment: _Experiment) -> Iterator[None]:
    """Set the controls back at the end: a webcam keeps them when it is closed."""
    controls = source.controls()
    names = [name for name in (experiment.control, *experiment.before) if name in controls]
    try:
        yield
    finally:
        # The value of what is automatic cannot be set while it is: what fails was not changed for good.
        for name in names:
            with contextlib.suppress(ControlError, OSError):
                source.set_control(name, controls[name].value)


def _brightness(picture: Picture) -> float:
    mean: float = ImageStat.Stat(decode(picture.jpeg)).mean[0]
    return mean


def sharpness(picture: Picture) -> float:
    """Return the variance of the edges in the middle of a picture."""
    jpeg.check_limits(picture.jpeg)
    with Image.open(io.BytesIO(picture.jpeg), formats=["JPEG"]) as image:
        left, top = (max(0, (side - _SHARPNESS_BOX) // 2) for side in image.size)
        middle = image.convert("L").crop((left, top, image.width - left, image.height - top))
    variance: float = ImageStat.Stat(middle.filter(ImageFilter.FIND_EDGES)).var[0]
    return variance
