"""Arithmetic on small pictures with Pillow: mode "F" for values, mode "L" for masks and counts."""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageChops, ImageMath


def compute(expression: Any, **pictures: Image.Image) -> Image.Image:  # noqa: ANN401  (ImageMath's operands have no type)
    """Return what a function of a dictionary of ImageMath operands gives."""
    result: Image.Image = ImageMath.lambda_eval(expression, **pictures)
    return result


def constant(size: tuple[int, int], value: float) -> Image.Image:
    """Return a picture of mode "F" of one value."""
    return Image.new("F", size, value)


def to_bytes(picture: Image.Image, scale: float, offset: float = 0.0) -> Image.Image:
    """Return `picture * scale + offset` in mode "L", clipped to 0 to 255."""
    return compute(lambda of: of["convert"](of["x"] * scale + (offset + 0.5), "L"), x=picture)


def mean(picture: Image.Image) -> float:
    """Return the mean of a picture of mode "F"."""
    value = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(value, float)  # noqa: S101  (mode "F" has one float a pixel)
    return value


def gradients(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return the horizontal and vertical central differences; they are 0 at the border."""
    width, height = picture.size
    across = constant(picture.size, 0)
    down = constant(picture.size, 0)
    halved = compute(lambda of: of["x"] * 0.5, x=picture)
    left, right = (halved.crop((at, 0, at + width - 2, height)) for at in (0, 2))
    above, below = (halved.crop((0, at, width, at + height - 2)) for at in (0, 2))
    across.paste(compute(lambda of: of["b"] - of["a"], a=left, b=right), (1, 0))
    down.paste(compute(lambda of: of["b"] - of["a"], a=above, b=below), (0, 1))
    return across, down


def spread(picture: Image.Image, radius: int, *, sideways: bool = False) -> Image.Image:
    """Return a picture of mode "L" in which each pixel is the largest within `radius`, in one or both directions."""
    size = picture.size
    for across, down in ((1, 0),) if sideways else ((1, 0), (0, 1)):
        padded = Image.new("L", (size[0] + 2 * radius * across, size[1] + 2 * radius * down))
        padded.paste(picture, (radius * across, radius * down))
        result = picture
        for step in range(2 * radius + 1):
            if step != radius:
                left, top = step * across, step * down
                result = ImageChops.lighter(result, padded.crop((left, top, left + size[0], top + size[1])))
        picture = result
    return picture


def median(histogram: Sequence[int]) -> float:
    """Return the median of a histogram of 256 values, interpolated within the value it falls into; 0 if it is empty."""
    half, below = sum(histogram) / 2, 0
    for value, count in enumerate(histogram):
        if count and below + count >= half:
            return value - 0.5 + (half - below) / count
        below += count
    return 0.0
