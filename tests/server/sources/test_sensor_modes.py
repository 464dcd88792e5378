"""The whole view by default: which mode of its sensor a CSI camera uses, for the modes that real sensors have."""

import math

import pytest
from pi_mjpeg_server.sources.sensor_modes import (
    choose_mode,
    describe_modes,
    explain_mode,
    find_mode,
    parse_modes,
    read_modes,
)

from tests.server.support import official_sensors as sensors

SIZES = [(640, 480), (1280, 720), (1280, 960), (800, 600), (320, 240)]


@pytest.mark.parametrize("raw", sensors.OFFICIAL.values(), ids=sensors.OFFICIAL)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fps", [1, 10, 15, 25, 30])
def test_every_official_camera_shows_all_that_its_sensor_sees(
    raw: sensors.RawModes, size: tuple[int, int], fps: float
) -> None:
    modes = parse_modes(raw)
    mode = choose_mode(modes, size, fps)
    assert mode is not None
    assert mode.crop[2] * mode.crop[3] == max(each["crop_limits"][2] * each["crop_limits"][3] for each in raw)
    assert mode.size[0] >= size[0]
    assert mode.size[1] >= size[1]
    assert mode.fps >= fps
    assert explain_mode(modes, mode, size, fps) == []


@pytest.mark.parametrize(
    ("raw", "size", "fps", "expected"),
    [
        pytest.param(sensors.OV5647, (1280, 720), 30, (1296, 972), id="module 1: not 1920x1080, the middle"),
        pytest.param(sensors.OV5647, (640, 480), 50, (640, 480), id="module 1: only this one is so fast"),
        pytest.param(sensors.OV5647, (1920, 1080), 15, (2592, 1944), id="module 1: all of it is fast enough"),
        pytest.param(sensors.IMX219, (640, 480), 30, (1640, 1232), id="module 2: not 640x480, the middle"),
        pytest.param(sensors.IMX219, (640, 480), 60, (640, 480), id="module 2: only this one is so fast"),
        pytest.param(sensors.IMX219, (1920, 1080), 30, (1920, 1080), id="module 2: all of it is too slow"),
        pytest.param(sensors.IMX219, (1920, 1080), 20, (3280, 2464), id="module 2: all of it is fast enough"),
        pytest.param(sensors.IMX477, (1280, 720), 30, (2028, 1520), id="HQ: not 1332x990, the middle"),
        pytest.param(sensors.IMX477, (1280, 720), 45, (2028, 1080), id="HQ: 16:9 before the middle"),
        pytest.param(sensors.IMX477, (1280, 720), 90, (1332, 990), id="HQ: only the middle is so fast"),
        pytest.param(sensors.IMX477, (1280, 720), 5, (2028, 1520), id="HQ: the smaller of two that show everything"),
        pytest.param(sensors.IMX477, (1920, 1080), 40, (2028, 1520), id="HQ: a rate that it just reaches"),
        pytest.param(sensors.IMX477, (2048, 1536), 30, (2028, 1520), id="HQ: one that is hardly enlarged"),
        pytest.param(sensors.IMX477, (2100, 1575), 30, (4056, 3040), id="HQ: not one that is"),
        pytest.param(sensors.IMX708, (1280, 720), 30, (2304, 1296), id="module 3: not 1536x864, the middle"),
        pytest.param(sensors.IMX708, (1280, 720), 100, (1536, 864), id="module 3: only the middle is so fast"),
        pytest.param(sensors.IMX708_HDR, (1280, 720), 30, (2304, 1296), id="module 3 with HDR"),
        pytest.param(sensors.OV9281, (1280, 720), 30, (1280, 800), id="the higher of two that show the same"),
        # No mode has the size and the rate: the size goes first, then the rate, then the view.
        pytest.param(sensors.IMX477, (1920, 1080), 60, (2028, 1080), id="the fastest of those with the size"),
        pytest.param(sensors.IMX219, (3280, 2464), 30, (3280, 2464), id="the only one with the size"),
        pytest.param(sensors.IMX296, (1920, 1080), 30, (1456, 1088), id="none has the size"),
        pytest.param(sensors.OV5647, (3840, 2160), 30, (2592, 1944), id="none has the size: the nearest"),
    ],
)
def test_the_mode_is_the_widest_that_reaches_size_and_rate(
    raw: sensors.RawModes, size: tuple[int, int], fps: float, expected: tuple[int, int]
) -> None:
    mode = choose_mode(parse_modes(raw), size, fps)
    assert mode is not None
    assert mode.size == expected
    assert mode == choose_mode(parse_modes(raw[::-1]), size, fps)


def test_the_view_is_what_a_picture_of_this_shape_shows() -> None:
    wide, high = (0, 0, 3000, 1200), (0, 0, 2000, 2000)
    both = [sensors.IMX708[1] | {"size": (1500, 1000), "crop_limits": crop} for crop in (wide, high)]
    chosen = {size: choose_mode(parse_modes(both), size, 30) for size in ((1280, 720), (720, 720))}
    assert {size: mode and mode.crop for size, mode in chosen.items()} == {(1280, 720): wide, (720, 720): high}


def test_of_the_same_mode_in_two_bit_depths_the_deeper_one_is_used_unless_it_is_too_slow() -> None:
    modes = parse_modes(sensors.OV9281)
    depths = {fps: getattr(choose_mode(modes, (640, 400), fps), "bit_depth", 0) for fps in (30, 240, 300)}
    assert depths == {30: 10, 240: 10, 300: 8}


@pytest.mark.parametrize(
    ("raw", "size", "fps", "words"),
    [
        (
            sensors.IMX219,
            (1920, 1080),
            30,
            ["the middle 59% of the view", "[1640, 1232] with 41.85 fps", "[3280, 2464]"],
        ),
        (sensors.IMX219, (3280, 2464), 30, ["at most 21.19 fps", "(faster: [640, 480] with 103.33 fps"]),
        (sensors.IMX296, (1920, 1080), 30, ["1456x1088", "enlarged"]),
        (
            sensors.IMX477,
            (1920, 1080),
            60,
            ["at most 50.03 fps", "(faster: [1332, 990] with 120.05 fps)", "the middle 95% of the view"],
        ),
    ],
)
def test_what_is_missing_is_said_with_the_modes_that_have_it(
    raw: sensors.RawModes, size: tuple[int, int], fps: float, words: list[str]
) -> None:
    modes = parse_modes(raw)
    mode = choose_mode(modes, size, fps)
    assert mode is not None
    said = explain_mode(modes, mode, size, fps)
    assert len(said) == len([word for word in words if "%" in word or "at most" in word or "enlarged" in word])
    assert all(word in "; ".join(said) for word in words)


def test_a_mode_is_found_by_its_size() -> None:
    modes = parse_modes(sensors.IMX219)
    found = find_mode(modes, (640, 480), 30)
    assert found is not None
    assert (found.size, found.bit_depth) == ((640, 480), 10)
    assert find_mode(modes, (480, 640), 30) is None
    assert describe_modes(modes).startswith("[640, 480] with 103.33 fps, [1640, 1232] with 41.85 fps")


@pytest.mark.parametrize(
    "odd",
    [
        {"size": None},
        {"size": (1, 2, 3)},
        {"size": ("a", "b")},
        {"crop_limits": (0, 0, 0, 0)},
        {"crop_limits": ()},
        {"fps": math.nan},
        {"fps": math.inf},
        {"fps": 0},
        {"bit_depth": None},
    ],
)
def test_a_mode_that_makes_no_sense_costs_only_itself(odd: dict[str, object]) -> None:
    assert len(parse_modes([sensors.IMX708[0] | odd, *sensors.IMX708[1:]])) == 2


def test_without_modes_none_is_chosen() -> None:
    assert choose_mode(parse_modes(sensors.VIRTUAL), (640, 480), 30) is None
    assert choose_mode(parse_modes([]), (640, 480), 30) is None


class FakePicamera2:
    """Picamera2, which configures the camera once a mode, and forgets none of those that it could configure."""

    def __init__(self, raw: sensors.RawModes, too_large: int) -> None:
        self.raw, self.too_large = raw, too_large
        self.modes: sensors.RawModes = []
        self.configured = 0

    @property
    def sensor_modes(self) -> sensors.RawModes:
        """Read the modes, if that was not tried before."""
        if self.modes:
            return self.modes
        for mode in self.raw:
            self.configured += 1
            if mode["size"][0] * mode["size"][1] > self.too_large:
                raise OSError(12, "Cannot allocate memory")
            self.modes.append(mode)
        return self.modes


def test_the_modes_are_read_once_for_each_camera() -> None:
    first, second = FakePicamera2(sensors.IMX708, 10**9), FakePicamera2(sensors.IMX708, 10**9)
    assert read_modes(first, "a") == read_modes(second, "a") == parse_modes(sensors.IMX708)
    assert (first.configured, second.configured) == (3, 0)
    assert read_modes(second, "b") == parse_modes(sensors.IMX708)


def test_modes_too_large_for_the_memory_leave_the_others() -> None:
    small = FakePicamera2(sensors.IMX477, 4_000_000)
    assert [mode.size for mode in read_modes(small, "a")] == [(1332, 990), (2028, 1080), (2028, 1520)]
    assert len(read_modes(FakePicamera2(sensors.IMX477, 10**9), "a")) == 4
    assert read_modes(FakePicamera2(sensors.IMX477, 0), "b") == ()
