"""What counts as motion, and what does not, in drawn pictures."""

import random

import pytest
from pi_mjpeg_server.motion.detector import MOVING, NOT_WATCHED, STILL, MotionDetector
from PIL import Image, ImageDraw

from tests.server.motion.drawn import FPS, LEARNED, SIZE, jpeg, look_at, noisy, walk, with_person, yard

YARD = yard()
STILLNESS = [YARD] * LEARNED


def other_scene() -> Image.Image:
    coarse = Image.frombytes("L", (12, 8), random.Random(4).randbytes(96))  # noqa: S311
    return coarse.resize(SIZE, Image.Resampling.BICUBIC)


def learned(**settings: object) -> MotionDetector:
    detector = MotionDetector(**settings)  # type: ignore[arg-type]  # each test gives what it means
    assert not any(look.moving for look in look_at(detector, STILLNESS))
    return detector


def test_a_walker_is_found_within_three_looks_and_the_box_is_around_him() -> None:
    looks = look_at(learned(), walk(YARD), LEARNED)
    assert not looks[0].moving
    assert looks[2].moving
    last = looks[-1]
    assert last.box is not None
    x, y, width, height = last.box
    assert x <= (50 + 6 * 19) / SIZE[0] <= x + width
    assert y <= 100 / SIZE[1] <= y + height
    assert width * height < 0.2
    assert 0 < last.area < 0.1


def test_what_shows_in_one_look_only_is_not_motion() -> None:
    pictures = [with_person(YARD, 150, 100) if index == 2 else YARD for index in range(8)]
    assert not any(look.moving for look in look_at(learned(), pictures, LEARNED))


def test_two_of_three_looks_are_motion() -> None:
    pictures = [YARD if index == 1 else with_person(YARD, 150 + 3 * index, 100) for index in range(3)]
    assert [look.moving for look in look_at(learned(), pictures, LEARNED)] == [False, False, True]


def test_what_jumps_across_the_picture_is_not_one_mover() -> None:
    pictures = [with_person(YARD, x, y) for x, y in ((30, 30), (290, 150), (30, 150), (290, 30), (160, 90), (30, 30))]
    assert not any(look.moving for look in look_at(learned(), pictures, LEARNED))


def test_cells_tell_what_moves_and_what_is_not_watched() -> None:
    looks = look_at(learned(ignore=[(0.5, 0, 0.5, 1)]), walk(YARD), LEARNED)
    look = looks[-6]
    assert len(look.cells) == look.columns * look.rows
    assert set(look.cells) == {STILL, NOT_WATCHED, MOVING}
    rows = [look.cells[start : start + look.columns] for start in range(0, len(look.cells), look.columns)]
    assert all(set(row[look.columns // 2 :]) == {NOT_WATCHED} for row in rows)
    assert look.area == look.cells.count(MOVING) / (len(look.cells) - look.cells.count(NOT_WATCHED))


@pytest.mark.parametrize(
    ("settings", "moves"),
    [
        ({"ignore": [(0, 0.3, 1, 0.5)]}, False),
        ({"ignore": [(0, 0, 1, 0.2)]}, True),
        ({"watch": [(0, 0, 1, 0.2)]}, False),
        ({"watch": [(0, 0.3, 1, 0.5)]}, True),
        ({"watch": [(0, 0.3, 1, 0.5)], "ignore": [(0, 0, 1, 1)]}, False),
    ],
)
def test_only_what_is_watched_counts(settings: dict[str, object], moves: bool) -> None:  # noqa: FBT001
    looks = look_at(learned(**settings), walk(YARD), LEARNED)
    assert any(look.moving for look in looks) is moves


def test_regions_and_boxes_are_of_the_upright_picture() -> None:
    # With orientation 6, the picture is shown turned clockwise: its bottom row is the left column.
    detector, ignoring = MotionDetector(), MotionDetector(ignore=[(0, 0, 0.6, 1)])
    pictures = [*STILLNESS, *(with_person(YARD, 150 + 6 * step, 140) for step in range(8))]
    look = look_at(detector, pictures, orientation=6)[-1]
    assert look.moving
    assert look.rows > look.columns
    assert look.box is not None
    x, y, width, height = look.box
    assert x <= 1 - 140 / SIZE[1] <= x + width
    assert y <= (150 + 6 * 7) / SIZE[0] <= y + height
    assert not any(look.moving for look in look_at(ignoring, pictures, orientation=6))


def test_a_change_of_exposure_is_not_motion() -> None:
    factors = [1, 1.3, 1.7, 2.2, 2.8, 2.2, 1.7, 1.2, 0.9, 0.7, 0.5, 0.4, 0.6, 0.8, 1, 1.3]
    # What is dark changes less than what is bright, as with the curves that cameras use.
    curves = [[max(0, min(255, round(40 + (grey - 40) * factor))) for grey in range(256)] for factor in factors]
    pictures = [YARD.point(curve) for curve in curves]
    assert not any(look.moving for look in look_at(learned(), pictures, LEARNED))


def test_a_walker_is_found_while_the_exposure_changes() -> None:
    pictures = [
        picture.point([min(255, round(grey * (1 + 0.05 * index))) for grey in range(256)])
        for index, picture in enumerate(walk(YARD, 10))
    ]
    assert any(look.moving for look in look_at(learned(), pictures, LEARNED))


def test_another_scene_is_not_motion_and_two_seconds_later_a_walker_is() -> None:
    detector, other = learned(), other_scene()
    assert not any(look.moving for look in look_at(detector, [other] * 20, LEARNED))
    assert any(look.moving for look in look_at(detector, walk(other), LEARNED + 20))


def test_after_a_change_of_scene_nothing_moves_for_two_seconds() -> None:
    looks = look_at(learned(), walk(other_scene(), 20), LEARNED)
    assert not any(look.moving for look in looks[:10])


def with_exposure(factor: float, picture: Image.Image) -> Image.Image:
    """Return the picture as a camera takes it with so many times the light."""
    return picture.point([min(255, round(255 * (grey / 255 * factor ** (1 / 2.2)))) for grey in range(256)])


def moving_after_step(pictures: list[Image.Image], factor: float) -> list[int]:
    """Return in which looks something moves, when the camera changes its exposure by a factor with the third."""
    detector = learned()
    moving = []
    for index, picture in enumerate(pictures):
        now = factor if index > 1 else 1.0
        shot = jpeg(noisy(with_exposure(now, picture), index))
        if detector.look(shot, 100 + (LEARNED + index) / FPS, 16_000 * now).moving:
            moving.append(index)
    return moving


@pytest.mark.parametrize("factor", [0.05, 0.2, 0.5, 0.8, 1.5, 2.0, 3.5, 8.0, 20.0])
def test_a_known_step_of_the_exposure_is_no_motion(factor: float) -> None:
    assert moving_after_step([YARD] * 30, factor) == []


@pytest.mark.parametrize(("factor", "latest"), [(0.4, 4), (0.7, 4), (1.4, 4), (2.5, 4), (0.15, 16), (8.0, 16)])
def test_a_walker_is_found_during_a_known_step_of_the_exposure(factor: float, latest: int) -> None:
    # With four times the light or a quarter of it, what was learned says nothing, and is learned anew in two seconds.
    moving = moving_after_step(walk(YARD, 20), factor)
    assert moving
    assert moving[0] <= latest


def test_a_large_change_of_the_cameras_own_exposure_is_a_change_of_scene() -> None:
    detector = learned()
    for index, picture in enumerate(walk(YARD, 8)):
        shot = jpeg(noisy(picture, index))
        assert not detector.look(shot, 100 + (LEARNED + index) / 5, 1.0 if index == 0 else 20.0).moving


def test_a_parked_thing_becomes_background() -> None:
    looks = look_at(learned(), [with_person(YARD, 150, 100)] * 70, LEARNED)
    assert any(look.moving for look in looks[:10])
    assert not any(look.moving for look in looks[-20:])


def test_a_shift_of_the_whole_picture_is_not_motion() -> None:
    wide = yard(3, (SIZE[0] + 20, SIZE[1] + 20))
    offsets = [0] * LEARNED + [0, 3, 6, 3, -4, -6, -3, 5, 2, -4] * 2
    pictures = [wide.crop((10 + x, 10 + x // 2, 10 + x + SIZE[0], 10 + x // 2 + SIZE[1])) for x in offsets]
    assert not any(look.moving for look in look_at(MotionDetector(), pictures))


def test_what_sways_is_learned() -> None:
    def swaying(step: int) -> Image.Image:
        picture = YARD.copy()
        pen = ImageDraw.Draw(picture)
        for place in range(8):
            x, y = 30 + 12 * place + (0, 4, 7, 4, 0, -4, -7, -4)[(step + 3 * place) % 8], 30 + 6 * (place % 3)
            pen.ellipse((x, y, x + 11, y + 8), 30)
        return picture

    detector = MotionDetector()
    looks = look_at(detector, [swaying(step) for step in range(80)])
    assert not any(look.moving for look in looks[50:])
    walkers = [with_person(swaying(step), 150 + 5 * step, 110) for step in range(10)]
    assert any(look.moving for look in look_at(detector, walkers, 80))


def test_sensitivity_decides_about_a_faint_thing() -> None:
    faint = [with_person(YARD, 50 + 6 * step, 100, grey=103) for step in range(12)]
    assert any(look.moving for look in look_at(learned(sensitivity=90), faint, LEARNED))
    assert not any(look.moving for look in look_at(learned(sensitivity=10), faint, LEARNED))


@pytest.mark.parametrize("taken", [50.0, 100.0, 200.0], ids=["backwards", "the same", "after a long time"])
def test_a_jump_of_the_clock_is_neither_motion_nor_an_error(taken: float) -> None:
    detector = learned()
    for step in range(5):
        assert not detector.look(jpeg(with_person(YARD, 150, 100)), taken + step / 5).moving


@pytest.mark.parametrize("height", [40, 60, 80])
def test_a_runner_who_is_somewhere_else_in_each_look_is_found(height: int) -> None:
    # Six tenths of his height in a fifth of a second: about 5 m/s, and more than his width.
    run = [with_person(YARD, 20 + 0.6 * height * step, 90, height) for step in range(int(280 / (0.6 * height)))]
    looks = look_at(learned(), run, LEARNED)
    assert any(look.moving for look in looks[:3])
    found = next(look for look in looks if look.moving)
    assert found.box is not None
    assert found.box[2] * found.box[3] < 0.2
    assert not any(look.moving for look in look_at(learned(ignore=[(0, 0.1, 1, 0.8)]), run, LEARNED))


def test_something_large_that_is_there_once_is_not_motion() -> None:
    pictures = [with_person(YARD, 160, 90, 80) if index % 10 == 2 else YARD for index in range(24)]
    assert not any(look.moving for look in look_at(learned(), pictures, LEARNED))
