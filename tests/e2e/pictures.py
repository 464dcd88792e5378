"""Whether bytes are a picture."""

import io

from PIL import Image


def size(picture: bytes) -> tuple[int, int]:
    """Decode a JPEG whole, and return its width and height; raises an OSError when it is none, or cut short."""
    with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
        image.load()
        return image.size
