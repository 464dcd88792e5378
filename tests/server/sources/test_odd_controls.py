"""Controls that break the rules of V4L2, as those of many webcams do: each costs only itself."""

from pathlib import Path

import pytest

from tests.server.sources.conftest import OPENED, RunInProcess
from tests.server.support.fake_webcam import DEFAULT_CONTROLS
from tests.server.support.odd_webcam import make_webcam

DESCRIBED = (
    OPENED
    + """
    next(source.frames())
    controls = source.controls().values()
    print(json.dumps([{c.name: [c.type, c.value, c.default, list(c.options)] for c in controls}, info.note]))
"""
)


ODD_CONTROLS = """\
control 0x00980900 1 0x40 -64 64 1 0 0 Write Only
control 0x00980901 1 0 0 255 1 0 7 Input Error
control 0x00980902 1 0 0 255 1 0 7 Broken Pipe
control 0x00980903 1 0 100 -100 0 0 0 Inverted Hue
control 0x00980904 1 0 0 100 0 500 900 Far Out
control 0x00980905 1 0 0 100 1 50 50
control 0x00980906 1 0 0 100 1 50 50 ???
control 0x00980907 3 0 0 2 1 1 3 Outside Of Menu
menu 0x00980907 0 Off
menu 0x00980907 1 On
control 0x00980908 3 0 0 2 1 1 1 Without Entries
control 0x00980909 3 0 0 3 1 7 1 Odd Entries
menu 0x00980909 0 a\tb
menu 0x00980909 1 same
menu 0x00980909 2 same
menu 0x00980909 3
control 0x0098090a 9 0 0 3 1 0 0 Integer Menu
menu 0x0098090a 0 1000
control 0x0098090b 3 0 0 2000000000 1 0 0 Endless Menu
menu 0x0098090b 0 One
control 0x0098090c 99 0 0 1 1 0 0 Unknown Type
control 0x0098090d 2 4 0 1 1 0 0 Read Only
control 0x0098090e 2 0 0 1 1 0 1 Good
control 0x0098090f 2 0 0 1 1 0 1 Good
control 0x00980910 2 1 0 1 1 0 1 Disabled
"""


def test_an_odd_control_costs_only_itself(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    webcam = make_webcam(tmp_path, controls=ODD_CONTROLS)
    webcam.inject_fault("errors", "G_CTRL 0x00980901 EIO\nG_CTRL 0x00980902 EPIPE\n")
    controls, note = run_with_webcam(DESCRIBED)
    assert note is None
    assert controls == {
        "far_out": ["integer", 100, 100, []],
        "control_00980905": ["integer", 50, 50, []],
        "control_00980906": ["integer", 50, 50, []],
        "odd_entries": ["menu", "same", "a b", ["a b", "same", "same (2)", "3"]],
        "integer_menu": ["menu", "1000", "1000", ["1000"]],
        "endless_menu": ["menu", "One", "One", ["One"]],
        "good": ["boolean", True, False, []],
        "good_0098090f": ["boolean", True, False, []],
    }


ODD_STEPS = """\
control 0x00980900 1 0 -64 64 7 3 60 Uneven
control 0x00980901 1 0 0 100 -5 10 10 Counted Down
control 0x00980902 1 0 0 100 250 10 10 Too Wide
control 0x00980903 1 0 0 2147483647 1 1 1000000 Long
"""


def test_a_step_without_sense_is_one_and_the_end_of_a_range_can_be_set(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path, controls=ODD_STEPS)
    steps, errors = run_with_webcam(
        OPENED
        + """
    controls, errors = source.controls(), {}
    tried = [("uneven", 64), ("uneven", -57), ("uneven", 60), ("counted_down", 7), ("too_wide", 50), ("long", -1)]
    for name, value in tried:
        try:
            source.set_control(name, controls[name].validate(value))
        except ValueError as error:
            errors[name] = str(error)
    print(json.dumps([{name: control.step for name, control in controls.items()}, errors]))
    """
    )
    assert steps == {"uneven": 7, "counted_down": 1, "too_wide": 1, "long": 1}
    assert errors == {
        "uneven": "uneven has to be a whole number from -64 to 64 in steps of 7",
        "long": "long has to be a whole number from 0 to 2147483647",
    }
    assert webcam.controls_set == ["Uneven 64", "Uneven -57", "Counted Down 7", "Too Wide 50"]


def test_a_control_whose_value_cannot_be_told_is_listed_once_it_was_set(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path, controls=ODD_CONTROLS)
    configured = OPENED.replace("size=", 'controls={"outside_of_menu": "Off", "write_only": -3}, size=')
    names = run_with_webcam(configured + "    print(json.dumps({c.name: c.value for c in source.controls().values()}))")
    assert names["outside_of_menu"] == "Off"
    assert names["write_only"] == -3
    assert webcam.controls_set == ["Outside Of Menu 0", "Write Only -3"]


def test_more_controls_than_any_camera_has_are_left_out(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    many = "".join(f"control {0x980900 + number} 2 0 0 1 1 0 1 Control {number}\n" for number in range(70))
    make_webcam(tmp_path, controls=many)
    controls, _ = run_with_webcam(DESCRIBED)
    assert len(controls) == 64


@pytest.mark.parametrize("call", ["QUERY_EXT_CTRL 0x0098090c", "G_CTRL *", "QUERYMENU *", "QUERY_EXT_CTRL *"])
@pytest.mark.parametrize("error", ["EIO", "EPIPE", "EACCES", "ETIMEDOUT"])
def test_an_error_of_any_control_call_leaves_the_pictures(
    tmp_path: Path, run_with_webcam: RunInProcess, call: str, error: str
) -> None:
    make_webcam(tmp_path).inject_fault("errors", f"{call} {error}\n")
    controls, _ = run_with_webcam(DESCRIBED)
    if call == "QUERY_EXT_CTRL 0x0098090c":
        # The driver cannot list them any more, so they are asked one by one.
        assert set(controls) == {"brightness", "power_line_frequency", "auto_exposure"}


LOCKED = (
    DEFAULT_CONTROLS
    + """\
control 0x009a0902 1 0 1 5000 1 250 250 Exposure Time, Absolute
locked 0x009a0902 0x009a0901 3 EACCES
control 0x0098091a 1 0 2000 8000 1 4000 4000 White Balance Temperature
locked 0x0098091a 0x0098090c 1 EBUSY
"""
)


def adjusting(values: object) -> str:
    return (
        OPENED.replace("import json", "import json")
        + f"""
    from pi_mjpeg_server.sources.controls import ControlError, set_controls
    frames = source.frames()
    next(frames)
    try:
        set_controls(source, {values!r})
        error = None
    except (ControlError, OSError) as failure:
        error = [type(failure).__name__, str(failure)]
    next(frames)
    print(json.dumps([error, {{c.name: c.value for c in source.controls().values()}}]))
    """
    )


@pytest.mark.parametrize("order", [1, -1])
def test_automatic_controls_are_set_before_those_that_they_lock(
    tmp_path: Path, run_with_webcam: RunInProcess, order: int
) -> None:
    webcam = make_webcam(tmp_path, controls=LOCKED)
    values = dict([("exposure_time_absolute", 100), ("auto_exposure", "Manual Mode")][::order])
    error, after = run_with_webcam(adjusting(values))
    assert error is None
    assert after["exposure_time_absolute"] == 100
    assert webcam.controls_set == ["Auto Exposure 1", "Exposure Time, Absolute 100"]
    configured = OPENED.replace("size=", f"controls={values!r}, size=")
    assert run_with_webcam(configured + "    print(json.dumps(info.note))") is None


@pytest.mark.parametrize(
    ("values", "automatic"),
    [
        ({"brightness": 20, "exposure_time_absolute": 100}, "auto_exposure"),
        ({"brightness": 20, "white_balance_temperature": 5000}, "white_balance_automatic"),
    ],
)
def test_a_locked_control_names_the_automatic_one_and_nothing_is_set(
    tmp_path: Path, run_with_webcam: RunInProcess, values: dict[str, int], automatic: str
) -> None:
    webcam = make_webcam(tmp_path, controls=LOCKED)
    error, after = run_with_webcam(adjusting(values))
    assert error == ["ControlError", f"{list(values)[1]} cannot be set now: switch off {automatic} first"]
    assert after["brightness"] == 0
    assert webcam.controls_set == ["Brightness 20", "Brightness 0"]
    configured = OPENED.replace("size=", f"controls={values!r}, size=")
    note = run_with_webcam(configured + "    print(json.dumps(info.note))")
    assert f"switch off {automatic} first" in note


def test_a_set_that_fails_half_way_is_undone_and_one_that_fails_once_is_tried_again(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path)
    webcam.inject_fault("errors", "S_CTRL 0x00980918 EIO\n")
    error, after = run_with_webcam(
        adjusting({"brightness": 20, "power_line_frequency": "60 Hz", "auto_exposure": "Manual Mode"})
    )
    assert error[0] == "OSError"
    assert (after["brightness"], after["power_line_frequency"]) == (0, "50 Hz")
    assert after["auto_exposure"] == "Aperture Priority Mode"
    webcam.inject_fault("errors", "S_CTRL 0x00980900 EIO 0 1\n")
    (webcam.path / "device").unlink()
    error, after = run_with_webcam(adjusting({"brightness": 20, "power_line_frequency": "60 Hz"}))
    assert error is None
    assert (after["brightness"], after["power_line_frequency"]) == (20, "60 Hz")


def test_a_set_asks_for_one_control_only(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    many = "".join(f"control {0x980900 + number} 1 0 0 9 1 0 1 Control {number}\n" for number in range(20))
    webcam = make_webcam(tmp_path, controls=many)
    webcam.inject_fault("errors", "G_CTRL * 20ms\n")
    configured = OPENED.replace("size=", "controls={f'control_{n}': 2 for n in range(10)}, size=")
    run_with_webcam(configured + "    print(json.dumps(info.note))")
    assert len(webcam.control_calls) == 20 + 2 * 10
    before = len(webcam.control_calls)
    run_with_webcam(adjusting({"control_3": 4}))
    assert webcam.control_calls[before + 20 :] == ["S_CTRL 0x00980903", "G_CTRL 0x00980903"]
