"""Finds what is somewhere else in each look, because it is fast: a runner, a bicycle, a child."""

from PIL import Image, ImageChops

from pi_mjpeg_server.motion.arithmetic import spread

_GRIDS = (((3, 8), 20), ((4, 16), 25))
"""Width and height of a cell in pixels, and how many cells sideways a mover who fills one may get in a second: about
seven times the cell's height, three times as much as a person of 1.75 m at 4 m/s. A cell is the part of a body that is
full at any position in the grid, a third to a half. Insects near the lens get further for their size."""
_MAX_REACH = 8  # cells

_SHARE = 0.75  # of a cell that has to have changed
_FULL = [255 if mean >= 255 * _SHARE - 1 else 0 for mean in range(256)]  # the mean is rounded


class FastMover:
    """Follows what is upright and large, which neither noise nor rain is.

    A cell counts when most of it has changed for sure. `look` is the value of one look, of which `kept` (0 to 1) is
    left at the next one, and `enough` is that of a mover.
    """

    def __init__(self, size: tuple[int, int], *, look: int, kept: float, enough: int) -> None:
        """Start with nothing in pictures of this size."""
        self._look = [look if full else 0 for full in _FULL]
        self._kept = [int(track * kept) for track in range(256)]
        self._enough = [255 if track >= enough else 0 for track in range(256)]
        self._tracks = [Image.new("L", size).reduce(cell) for cell, _ in _GRIDS]

    def add(self, sure: Image.Image, seconds: float) -> Image.Image:
        """Take the pixels (255) that have changed for sure in `seconds`. Return where something fast moves (255)."""
        found = Image.new("L", sure.size)
        for number, ((width, height), speed) in enumerate(_GRIDS):
            reach = max(1, min(_MAX_REACH, round(seconds * speed)))
            cells = sure.reduce((width, height))
            before = spread(self._tracks[number].point(self._kept), reach, sideways=True)
            track = self._tracks[number] = ImageChops.add(cells.point(self._look), before)
            moving = ImageChops.darker(track.point(self._enough), cells.point(_FULL))
            if moving.getbbox() is not None:
                whole = moving.resize((moving.width * width, moving.height * height), Image.Resampling.NEAREST)
                found = ImageChops.lighter(found, whole.crop((0, 0, *sure.size)))
        return found

    def pause(self) -> None:
        """Take a look in which nothing has changed."""
        self._tracks = [track.point(self._kept) for track in self._tracks]
