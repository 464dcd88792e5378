"""The checks of one camera, on scripted cameras that do what a bad one does."""

import io
import os
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.selftest import camera_steps, control_steps, usage
from pi_mjpeg_server.selftest.report import Outcome, absent
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlError, ControlValue
from pi_mjpeg_server.sources.emulated import EmulatedSource
from pi_mjpeg_server.sources.v4l2 import CAMERA_ENCODES
from PIL import Image, ImageFilter

from tests.server.selftest.conftest import UseSource
from tests.server.support.scripted_camera import Script, ScriptedSource, grey

MEASURED = 0.4


def test_the_first_picture_says_what_the_camera_is(use_source: UseSource) -> None:
    script = Script(source_info=SourceInfo("Scripted", (64, 48), 50, note="it has no 1280x720"))
    finding = camera_steps.first_picture(use_source(script.source), MEASURED)
    assert finding.outcome is Outcome.PASSED
    assert finding.text.startswith("Scripted, 64x48 at 50 fps; opened in 0.")
    assert finding.text.endswith("1 controls; it has no 1280x720")
    assert (script.capturing, script.closed) == (0, 1)


def test_what_a_source_tells_is_in_the_report_as_it_is_while_it_captures(use_source: UseSource) -> None:
    script = Script()

    class Telling(ScriptedSource):
        def details(self) -> Mapping[str, str]:
            return {"encoder": f"of {script.capturing} captures"}

    text = camera_steps.first_picture(use_source(lambda _: Telling(script)), MEASURED).text
    assert "encoder: of 1 captures" in text


def test_a_camera_without_pictures_is_given_up_and_closed(
    use_source: UseSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_steps, "START_TIMEOUT", 0.2)
    script = Script(silent=True)
    with pytest.raises(SourceError, match="no picture within"):
        camera_steps.first_picture(use_source(script.source), MEASURED)
    assert (script.capturing, script.closed) == (0, 1)


def test_a_camera_that_cannot_be_opened_is_closed(use_source: UseSource) -> None:
    script = Script(fail_open="no power")
    with pytest.raises(RuntimeError, match="no power"):
        camera_steps.first_picture(use_source(script.source), MEASURED)
    assert script.closed == 1


def test_a_capture_that_ends_is_an_error(use_source: UseSource) -> None:
    class Ending(ScriptedSource):
        def frames(self) -> Iterator[Picture | None]:
            yield Picture(grey(50))

    with pytest.raises(SourceError, match="stopped giving pictures"):
        camera_steps.rate(use_source(lambda _: Ending(Script())), MEASURED)


@pytest.mark.parametrize(("fps", "outcome"), [(50, Outcome.PASSED), (10, Outcome.FAILED)])
def test_the_rate_is_compared_with_what_was_asked_for(use_source: UseSource, fps: int, outcome: Outcome) -> None:
    script = Script(fps=fps, padding=1000)
    target = use_source(script.source)
    # Half of it, for a slow machine.
    target = Target(target.source, SourceSettings(fps=25))
    finding = camera_steps.rate(target, MEASURED)
    assert finding.outcome is outcome
    assert "of 25 fps over 0." in finding.text
    assert "ms of processor time per picture" in finding.text


def test_damaged_pictures_are_counted(use_source: UseSource) -> None:
    class Damaged(ScriptedSource):
        broken = 7

        def frames(self) -> Iterator[Picture | None]:
            for picture in super().frames():
                self.broken += 1
                yield None
                yield picture

    text = camera_steps.rate(use_source(lambda _: Damaged(Script())), MEASURED).text
    assert ", 0 damaged" not in text
    assert ", 7 damaged" not in text


def test_qualities_are_compared_at_a_low_rate_at_which_the_hardware_has_bits_for_each(use_source: UseSource) -> None:
    script = Script()
    target = use_source(script.source)
    for fps, used in ((30, 5), (2, 2)):
        camera_steps.quality(Target(target.source, SourceSettings(fps=fps)), MEASURED)
        assert script.requested.fps == used


def test_a_higher_quality_has_to_make_larger_pictures(use_source: UseSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_steps, "_QUALITY_FPS", 50)
    target = use_source(EmulatedSource)
    finding = camera_steps.quality(Target(target.source, SourceSettings(size=(320, 240), fps=50)), MEASURED)
    assert finding.outcome is Outcome.PASSED
    assert finding.text.startswith("quality 50: ")
    finding = camera_steps.quality(use_source(Script(picture=grey(90)).source), MEASURED)
    assert finding.outcome is Outcome.FAILED
    assert finding.text.endswith("it has no effect, unless the picture is plain: show it something detailed")


def test_pictures_that_the_camera_encodes_have_no_quality(use_source: UseSource) -> None:
    class Encoding(ScriptedSource):
        def details(self) -> Mapping[str, str]:
            return {"encoder": CAMERA_ENCODES}

    finding = camera_steps.quality(use_source(lambda _: Encoding(Script())), MEASURED)
    assert finding == absent("the pictures are not encoded here")


def test_starts_and_stops_of_a_good_camera_leave_nothing(use_source: UseSource) -> None:
    script = Script()
    finding = camera_steps.starts_and_stops(use_source(script.source), MEASURED)
    assert finding.outcome is Outcome.PASSED, finding.text
    assert (script.opened, script.closed, script.captures, script.capturing) == (4, 4, 16, 0)


@pytest.mark.parametrize("leak", ["descriptors", "threads", "memory"])
def test_a_camera_that_leaves_something_behind_is_found(use_source: UseSource, leak: str) -> None:
    left: list[object] = []
    ending = threading.Event()

    class Leaking(ScriptedSource):
        def close(self) -> None:
            if leak == "descriptors":
                left.append(os.pipe())
            elif leak == "threads":
                threading.Thread(target=ending.wait, name="left behind").start()
            else:
                left.append(b"x" * int(usage._MAX_GROWTH * 1e6))  # noqa: SLF001

    try:
        finding = camera_steps.starts_and_stops(use_source(lambda _: Leaking(Script())), MEASURED)
    finally:
        ending.set()
        for each in left:
            for descriptor in each if isinstance(each, tuple) else ():
                os.close(descriptor)
    assert finding.outcome is Outcome.FAILED
    assert f": more {leak}" in finding.text


class Adjusting(ScriptedSource):
    """A camera whose picture follows a control, by a function that draws it, a few pictures later."""

    def __init__(self, control: Control, *, has_effect: bool = True) -> None:
        """Have this control, and one that is automatic."""
        super().__init__(Script(fps=100))
        automatic = Control("AeEnable", "boolean", default=True, value=True)
        self.values: dict[str, ControlValue] = {control.name: control.value, automatic.name: True}
        self.set: list[tuple[str, ControlValue]] = []
        self._controls = {control.name: control, automatic.name: automatic}
        self._name, self._has_effect = control.name, has_effect

    def controls(self) -> dict[str, Control]:
        """Return the controls with the values that they had at first."""
        return self._controls

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a value, unless the automatic control has it."""
        if name == "ExposureTime" and self.values["AeEnable"]:
            raise ControlError("the exposure is automatic")
        self.set.append((name, value))
        self.values[name] = value

    def frames(self) -> Iterator[Picture | None]:
        """Yield what the control makes of the view."""
        while True:
            time.sleep(0.01)
            yield Picture(self.draw(float(self.values[self._name]) if self._has_effect else 0.0), time.monotonic())

    def draw(self, value: float) -> bytes:
        """Return a picture of a brightness in thousandths of the value."""
        return grey(min(250, 10 + round(value / 200)))


def test_the_exposure_is_taken_from_the_automatic_and_given_back(use_source: UseSource) -> None:
    source = Adjusting(Control("ExposureTime", "integer", 20000, 20000, 29, 20000, 1))
    finding = control_steps.exposure(use_source(lambda _: source), MEASURED)
    assert finding.outcome is Outcome.PASSED
    assert finding.text == "ExposureTime 1000: brightness 15 of 255; 20000: 110"
    assert source.values == {"ExposureTime": 20000, "AeEnable": True}
    assert source.set[0] == ("AeEnable", False)


def test_an_exposure_without_effect_is_found_and_given_back(use_source: UseSource) -> None:
    source = Adjusting(Control("ExposureTime", "integer", 15000, 15000, 29, 66666, 1), has_effect=False)
    finding = control_steps.exposure(use_source(lambda _: source), MEASURED)
    assert finding.outcome is Outcome.FAILED
    assert "no effect is seen" in finding.text
    assert source.values == {"ExposureTime": 15000, "AeEnable": True}


def test_a_camera_with_neither_exposure_nor_focus(use_source: UseSource) -> None:
    target = use_source(EmulatedSource)
    assert control_steps.exposure(target, MEASURED).outcome is Outcome.ABSENT
    assert control_steps.focus(target, MEASURED).outcome is Outcome.ABSENT


def test_the_focus_has_to_change_the_sharpness(use_source: UseSource) -> None:
    noise = Image.effect_noise((160, 120), 80)

    class Focusing(Adjusting):
        def draw(self, value: float) -> bytes:
            file = io.BytesIO()
            noise.filter(ImageFilter.GaussianBlur(abs(value - 200) / 50)).save(file, "JPEG")
            return file.getvalue()

    control = Control("focus_absolute", "integer", 30, 30, 0, 255, 5)
    source = Focusing(control)
    finding = control_steps.focus(use_source(lambda _: source), MEASURED)
    assert finding.outcome is Outcome.PASSED, finding.text
    assert finding.text.count("sharpness") == 3
    assert [value for name, value in source.set if name == "focus_absolute"] == [0, 125, 255, 30]
    finding = control_steps.focus(use_source(lambda _: Focusing(control, has_effect=False)), MEASURED)
    assert finding.outcome is Outcome.FAILED
