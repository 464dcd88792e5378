"""The controls of a CSI camera: frame rate, exposure, focus and those that libcamera offers."""

import sys
from itertools import islice
from types import SimpleNamespace

import pytest
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.picamera2 import Picamera2Source

from tests.server.support.fake_sensor import CONTROLS, SIZE, FakeSensor, Untyped
from tests.server.support.scripted_camera import level_of


def test_the_frame_rate_is_set_at_every_start(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20, controls={"Brightness": 0.1}))
    source.open()
    for starts in (1, 2):
        frames = source.frames()
        next(frames)
        frames.close()  # type: ignore[attr-defined]  # it is a generator
        assert camera.return_value.set_controls.call_count == starts
        sent = camera.return_value.set_controls.call_args.args[0]
        assert sent == {"FrameDurationLimits": (50_000, 200_000), "Brightness": 0.1}


def members(*names: str) -> SimpleNamespace:
    """Return an enumeration of libcamera with these members, from 0 on."""
    return SimpleNamespace(__members__={name: number for number, name in enumerate(names)})


def with_limits(camera: Untyped, exposure_us: int, frame_us: int) -> None:
    """Have the camera offer exposures and frames of at most these times."""
    limits = {"ExposureTime": (29, exposure_us, 20000), "FrameDurationLimits": (33333, frame_us, None)}
    camera.return_value.camera_controls = CONTROLS | limits


def test_frames_become_long_enough_for_a_long_exposure_and_short_again(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    with_limits(camera, 11_000_000, 12_000_000)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20))
    source.open()
    for exposure_us, longest in ((1_000_000, 1_010_000), (199_500, 201_495), (20_000, 200_000)):
        source.set_control("ExposureTime", exposure_us)
        sent = camera.return_value.set_controls.call_args.args[0]
        assert sent == {"ExposureTime": exposure_us, "FrameDurationLimits": (50_000, longest)}
    source.set_control("ExposureTime", 500_000)
    source.set_control("Brightness", 0.5)
    assert "FrameDurationLimits" not in camera.return_value.set_controls.call_args.args[0]
    frames = source.frames()
    next(frames)
    sent = camera.return_value.set_controls.call_args.args[0]
    assert sent == {"FrameDurationLimits": (50_000, 505_000), "ExposureTime": 500_000, "Brightness": 0.5}
    frames.close()  # type: ignore[attr-defined]  # it is a generator


def with_modes(camera: Untyped) -> None:
    """Have the camera offer the modes that libcamera has since 0.5."""
    enums = sys.modules["libcamera.controls"]
    enums.ExposureTimeModeEnum = enums.AnalogueGainModeEnum = members("Auto", "Manual")  # type: ignore[attr-defined]  # stands in
    with_limits(camera, 11_000_000, 12_000_000)
    camera.return_value.camera_controls |= {"ExposureTimeMode": (0, 1, 0), "AnalogueGainMode": (0, 1, 0)}


NORMAL, LONG = (33_333, 200_000), (33_333, 1_010_000)


@pytest.mark.parametrize(
    ("automatic", "sent"),
    [
        (("AeEnable", True), {"AeEnable": True, "ExposureTimeMode": 0, "AnalogueGainMode": 0}),
        (("ExposureTimeMode", "Auto"), {"ExposureTimeMode": 0}),
    ],
)
def test_the_automatic_exposure_ends_a_long_one_for_good(
    camera: Untyped, automatic: tuple[str, bool | str], sent: dict[str, object]
) -> None:
    with_modes(camera)
    FakeSensor(camera.return_value)
    set_controls = camera.return_value.set_controls
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    for _ in range(2):
        source.set_control("ExposureTime", 1_000_000)
        assert set_controls.call_args.args[0] == {
            "ExposureTime": 1_000_000,
            "ExposureTimeMode": 1,
            "FrameDurationLimits": LONG,
        }
        assert source.controls()["ExposureTimeMode"].value == "Manual"
        source.set_control(*automatic)
        assert set_controls.call_args.args[0] == {**sent, "FrameDurationLimits": NORMAL}
    source.limit_rate(10)
    assert set_controls.call_args.args[0] == {"FrameDurationLimits": (100_000, 200_000)}
    source.limit_rate(None)
    frames = source.frames()
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert set_controls.call_args.args[0] == {**sent, "FrameDurationLimits": NORMAL}


def test_what_was_set_last_counts_without_those_modes_too(camera: Untyped) -> None:
    with_limits(camera, 11_000_000, 12_000_000)
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()

    def started() -> object:
        frames = source.frames()
        next(frames)
        frames.close()  # type: ignore[attr-defined]  # it is a generator
        return camera.return_value.set_controls.call_args.args[0]

    source.set_control("ExposureTime", 1_000_000)
    source.set_control("AeEnable", True)  # noqa: FBT003  (a value)
    assert camera.return_value.set_controls.call_args.args[0] == {"AeEnable": True, "FrameDurationLimits": NORMAL}
    assert started() == {"AeEnable": True, "FrameDurationLimits": NORMAL}
    source.set_control("ExposureTime", 1_000_000)
    assert started() == {"ExposureTime": 1_000_000, "FrameDurationLimits": LONG}


@pytest.mark.parametrize(
    ("configured", "exposure"),
    [
        ({"ExposureTime": 500_000}, 500_000),
        ({"ExposureTime": 500_000, "AeEnable": True, "ExposureTimeMode": "Auto"}, None),
        ({"AeEnable": True, "ExposureTime": 500_000, "ExposureTimeMode": "Manual"}, 500_000),
    ],
)
def test_a_configured_mode_decides_about_the_exposure(
    camera: Untyped, configured: dict[str, object], exposure: int | None
) -> None:
    with_modes(camera)
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, controls=configured))
    assert source.open().note is None
    frames = source.frames()
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    sent = camera.return_value.set_controls.call_args.args[0]
    assert sent.get("ExposureTime") == exposure
    assert sent["FrameDurationLimits"][1] == (200_000 if exposure is None else 505_000)


@pytest.mark.parametrize(
    ("fps", "frame_us", "offered"),
    [
        pytest.param(30, 12_000_000, 1_000_000, id="a second, since a camera without pictures counts as failing"),
        pytest.param(30, 120_000, 118_800, id="what fits in the longest frame of the sensor"),
        pytest.param(0.25, 12_000_000, 4_000_000, id="a frame's time at the configured rate"),
    ],
)
def test_no_exposure_is_offered_that_the_camera_would_not_make(
    camera: Untyped, fps: float, frame_us: int, offered: int
) -> None:
    with_limits(camera, 11_000_000, frame_us)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=fps, controls={"ExposureTime": offered + 1}))
    assert source.open().note == "it has no control of that name or range: ExposureTime"
    assert source.controls()["ExposureTime"].maximum == offered


def test_the_controls_are_those_of_libcamera_and_a_zoom(camera: Untyped) -> None:
    enums = sys.modules["libcamera.controls"]
    enums.AwbModeEnum = SimpleNamespace(__members__={"Auto": 0, "Tungsten": 1, "Cloudy": 2, "Custom": 7})  # type: ignore[attr-defined]  # stands in
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    controls = source.controls()
    assert set(controls) == {"Brightness", "AeEnable", "ExposureTime", "AwbMode", "Zoom"}
    assert controls["AwbMode"].options == ("Auto", "Tungsten", "Cloudy")
    assert (controls["ExposureTime"].minimum, controls["ExposureTime"].maximum) == (29, 66666)
    for name, value, expected in (
        ("Brightness", 0.5, {"Brightness": 0.5}),
        ("AeEnable", False, {"AeEnable": False, "FrameDurationLimits": (33_333, 200_000)}),
        ("AwbMode", "Cloudy", {"AwbMode": 2}),
        ("Zoom", 2.0, {"ScalerCrop": (1100, 950, 2000, 1500)}),
    ):
        source.set_control(name, value)
        assert camera.return_value.set_controls.call_args.args[0] == expected
        assert source.controls()[name].value == value


def test_a_control_that_this_camera_does_not_have_is_ignored_and_reported(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20, controls={"Brightness": 9, "Sharpness": 1}))
    assert source.open().note == "it has no control of that name or range: Brightness, Sharpness"
    frames = source.frames()
    next(frames)
    assert camera.return_value.set_controls.call_args.args[0] == {"FrameDurationLimits": (50_000, 200_000)}
    frames.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.parametrize(
    "metadata",
    [
        [{"AeLocked": False}] * 4 + [{"AeLocked": True}],
        [{"AeState": 1}] * 4 + [{"AeState": 2}, {"AeState": 1}],
        [{"AeState": 1}] * 60,
    ],
    ids=["AeLocked", "AeState", "never"],
)
def test_pictures_are_settled_once_the_automatic_exposure_is(
    camera: Untyped, metadata: list[dict[str, object]]
) -> None:
    FakeSensor(camera.return_value, *metadata)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=15))
    source.open()
    frames = source.frames()
    pictures = list(islice((picture for picture in frames if picture is not None), 8 + len(metadata)))
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    settled = [picture.settled for picture in pictures]
    assert settled == sorted(settled)
    assert (settled[0], settled[-1]) == (False, True)


def test_each_picture_has_the_exposure_of_its_own_frame(camera: Untyped) -> None:
    exposed: list[dict[str, object]] = [
        {"ExposureTime": 1000 * number, "AnalogueGain": 2.0, "DigitalGain": 1.5} for number in range(1, 19)
    ]
    FakeSensor(camera.return_value, *exposed)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    frames = source.frames()
    pictures = list(islice((picture for picture in frames if picture is not None), 6))
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    # The sensor makes each picture 10 levels brighter than the last.
    assert [picture.exposure for picture in pictures] == [
        pytest.approx(3000 * round(level_of(picture.jpeg) / 10)) for picture in pictures
    ]


@pytest.mark.parametrize(
    "metadata",
    [{}, {"ExposureTime": 1000}, {"AnalogueGain": 2.0}, {"ExposureTime": "long", "AnalogueGain": 2.0}],
)
def test_without_a_known_exposure_there_is_none(camera: Untyped, metadata: dict[str, object]) -> None:
    FakeSensor(camera.return_value, metadata)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    frames = source.frames()
    picture = next(frames)
    assert picture is not None
    assert picture.exposure is None
    frames.close()  # type: ignore[attr-defined]  # it is a generator


def test_the_focus_is_continuous_until_somebody_sets_it(camera: Untyped) -> None:
    enums = sys.modules["libcamera.controls"]
    enums.AfModeEnum = SimpleNamespace(__members__={"Manual": 0, "Auto": 1, "Continuous": 2})  # type: ignore[attr-defined]  # stands in
    camera.return_value.camera_controls = CONTROLS | {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}
    FakeSensor(camera.return_value)

    def starting(controls: dict[str, object]) -> tuple[dict[str, object], Picamera2Source]:
        source = Picamera2Source(SourceSettings(size=SIZE, controls=controls))
        assert source.open().note is None
        frames = source.frames()
        next(frames)
        frames.close()  # type: ignore[attr-defined]  # it is a generator
        return dict(camera.return_value.set_controls.call_args.args[0]), source

    sent, source = starting({})
    assert sent["AfMode"] == 2
    source.set_control("LensPosition", 4.0)
    assert camera.return_value.set_controls.call_args.args[0] == {"LensPosition": 4.0, "AfMode": 0}
    assert source.controls()["AfMode"].value == "Manual"
    assert starting({"LensPosition": 4.0})[0]["AfMode"] == 0
    assert starting({"AfMode": "Auto"})[0]["AfMode"] == 1
    assert starting({"AfMode": 1})[0]["AfMode"] == 1
    assert starting({"AfMode": "Continuous", "LensPosition": 4.0})[0]["AfMode"] == 2


def test_a_position_that_the_lens_does_not_have_leaves_the_focus_continuous(camera: Untyped) -> None:
    sys.modules["libcamera.controls"].AfModeEnum = members("Manual", "Auto", "Continuous")  # type: ignore[attr-defined]  # stands in
    camera.return_value.camera_controls = CONTROLS | {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}
    source = Picamera2Source(SourceSettings(size=SIZE, controls={"LensPosition": 99.0}))
    assert source.open().note == "it has no control of that name or range: LensPosition"
    assert source.controls()["AfMode"].value == "Continuous"


def test_noise_reduction_hdr_and_flicker_have_the_names_of_libcamera(camera: Untyped) -> None:
    enums = sys.modules["libcamera.controls"]
    enums.draft.NoiseReductionModeEnum = members("Off", "Fast", "HighQuality", "Minimal", "ZSL")
    enums.HdrModeEnum = members("Off", "MultiExposureUnmerged", "MultiExposure", "SingleExposure", "Night")  # type: ignore[attr-defined]  # likewise
    enums.AeFlickerModeEnum = members("Off", "Manual", "Auto")  # type: ignore[attr-defined]  # likewise
    camera.return_value.camera_controls = CONTROLS | {
        "NoiseReductionMode": (0, 4, 0),
        "HdrMode": (0, 4, 0),
        "AeFlickerMode": (0, 1, 0),
        "AeFlickerPeriod": (100, 1_000_000, None),
    }
    FakeSensor(camera.return_value)
    configured = {"NoiseReductionMode": "HighQuality", "HdrMode": 3, "AeFlickerPeriod": 10_000}
    source = Picamera2Source(SourceSettings(size=SIZE, controls=configured))
    assert source.open().note is None
    controls = source.controls()
    assert controls["AeFlickerMode"].options == ("Off", "Manual")
    assert controls["HdrMode"].value == "SingleExposure"
    frames = source.frames()
    next(frames)
    sent = camera.return_value.set_controls.call_args.args[0]
    expected = {"NoiseReductionMode": 2, "HdrMode": 3, "AeFlickerPeriod": 10_000, "AeFlickerMode": 1}
    assert sent == {"FrameDurationLimits": (33_333, 200_000), **expected}
    source.set_control("AeFlickerMode", "Off")
    source.set_control("AeFlickerPeriod", 8_333)
    assert camera.return_value.set_controls.call_args.args[0] == {"AeFlickerPeriod": 8_333, "AeFlickerMode": 1}
    frames.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.parametrize("wrong", ["Highest", 9, True, 1.5, None, [1]])
def test_a_menu_refuses_what_it_does_not_have(camera: Untyped, wrong: object) -> None:
    sys.modules["libcamera.controls"].HdrModeEnum = members("Off", "Night")  # type: ignore[attr-defined]  # stands in
    camera.return_value.camera_controls = CONTROLS | {"HdrMode": (0, 4, 0)}
    note = Picamera2Source(SourceSettings(size=SIZE, controls={"HdrMode": wrong, "Brightness": 0.5})).open().note
    assert note == "it has no control of that name or range: HdrMode"
