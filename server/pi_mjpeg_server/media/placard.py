"""The placard: a drawn picture that says why the camera gives none, and since when."""

import io
import textwrap
from datetime import datetime

_BACKGROUND = (24, 28, 36)
_TITLE = (255, 255, 255)
_TEXT = (186, 194, 208)
_COLUMNS = 44
_MAX_LINES = 6
_MIN_SIDE, _MAX_SIDE = 16, 1920


def draw(size: tuple[int, int], title: str, reason: str, since: float, now: float) -> bytes:
    """Return a JPEG of `size` pixels that shows a title, a reason, a time and how long ago it was.

    In place of a very large picture, a smaller one of the same shape is drawn.
    `since` and `now` are seconds since 1970. It takes about 10 ms on a small machine, so call it in a thread.
    """
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  (a camera that works never needs Pillow)

    ratio = min(1, _MAX_SIDE / max(size))
    width, height = (max(_MIN_SIDE, round(side * ratio)) for side in size)
    image = Image.new("RGB", (width, height), _BACKGROUND)
    pen = ImageDraw.Draw(image)
    unit = min(width / 32, height / 18)
    pen.text((unit * 2, unit * 2), title, _TITLE, ImageFont.load_default(unit * 1.8))
    lines = textwrap.wrap(reason, _COLUMNS, max_lines=_MAX_LINES, placeholder=" ...")
    pen.multiline_text((unit * 2, unit * 5), "\n".join(lines), _TEXT, ImageFont.load_default(unit * 1.2))
    started = datetime.fromtimestamp(since).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    footer = f"since {started} ({_duration(now - since)})"
    pen.text((unit * 2, height - unit * 3), footer, _TEXT, ImageFont.load_default(unit))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
