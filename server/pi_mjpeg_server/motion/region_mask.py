"""Where in a picture motion counts, by the regions of the settings."""

from collections.abc import Sequence

from PIL import Image

from pi_mjpeg_server.motion.settings import Region


def mask_of(size: tuple[int, int], watch: Sequence[Region], ignore: Sequence[Region]) -> Image.Image:
    """Return a picture in mode "L": 255 in a region of `watch` (everywhere, if there is none) but not of `ignore`."""
    mask = Image.new("L", size, 0 if watch else 255)
    for regions, value in ((watch, 255), (ignore, 0)):
        for x, y, width, height in regions:
            left, top, right, bottom = x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1]
            mask.paste(value, (round(left), round(top), round(right), round(bottom)))
    return mask
