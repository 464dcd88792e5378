"""A film has the colours of its pictures, and says how they are to be read."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from custom_components.pi_mjpeg.clips.film import make_film_of_files

_STRIPES = ((5, 5, 5), (42, 82, 150), (220, 30, 30), (20, 200, 60), (128, 128, 128), (250, 250, 250))
_LIMITED_RANGE = 1
_BT601 = 6
_BT709 = 1
_TOLERANCE = 6  # levels; both codecs lose some


def _stripes(size: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size)
    height = size[1] // len(_STRIPES)
    for number, colour in enumerate(_STRIPES):
        picture.paste(colour, (0, number * height, size[0], (number + 1) * height))
    return picture


def _film(folder: Path, picture: Image.Image, **options: Any) -> Any:  # noqa: ANN401 - PyAV's types are incomplete
    """Return the first frame of a film of one JPEG."""
    path = folder / "picture.jpg"
    picture.save(path, quality=95, **options)
    make_film_of_files([path], folder / "film.mp4", 1)
    with av.open(str(folder / "film.mp4")) as film:
        frame = next(film.decode(video=0))
        context: Any = film.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc) == (_BT709, _BT709)
        return frame


def _check(frame: Any, wanted: Image.Image) -> None:  # noqa: ANN401 - likewise
    # What a film does not say, each player guesses.
    assert (frame.color_range, frame.colorspace) == (_LIMITED_RANGE, _BT601)
    shown = frame.to_ndarray(format="rgb24").astype(int)
    height = wanted.height // len(_STRIPES)
    for number in range(len(_STRIPES)):
        place = number * height + height // 2, wanted.width // 2
        assert np.abs(shown[place] - wanted.convert("RGB").getpixel(place[::-1])).max() <= _TOLERANCE, number


@pytest.mark.parametrize("size", [(1280, 720), (321, 243)])
@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"subsampling": 2, "progressive": True}]
)
def test_a_film_has_the_colours_of_its_pictures(tmp_path: Path, size: tuple[int, int], options: dict[str, int]) -> None:
    _check(_film(tmp_path, _stripes(size), **options), _stripes(size))


def test_so_has_one_of_grey_pictures(tmp_path: Path) -> None:
    grey = _stripes((320, 240)).convert("L")
    _check(_film(tmp_path, grey), grey)


def test_so_has_one_of_pictures_that_are_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = _stripes((320, 240)).transpose(Image.Transpose.ROTATE_180)
    _check(_film(tmp_path, upside_down, exif=exif), _stripes((320, 240)))
