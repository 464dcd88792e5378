"""JPEGs of which some rows of blocks are encoded anew, and the others are not."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pi_mjpeg_server.media.jpeg import EOI, read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

ROW_HEIGHT = 16
"""Pixels of a row of blocks: 8, doubled by the subsampling of the colours (T.81, A.2)."""

_RESTART_MARKER = re.compile(rb"\xff[\xd0-\xd7]")


@dataclass(frozen=True, slots=True)
class JpegRows:
    """The headers of a JPEG up to its scan data, and the data of each row of blocks.

    There is a restart interval per row, so no row depends on another (T.81, E.1.4): a row of one JPEG fits into
    another one of the same width, quality and encoder.
    """

    headers: bytes
    rows: tuple[bytes, ...]

    @classmethod
    def encode(cls, image: Image.Image, quality: int) -> JpegRows:
        """Encode an image, all of it."""
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, restart_marker_rows=1)
        jpeg = buffer.getvalue()
        scan = read_header(jpeg).scan
        data = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
        return cls(jpeg[:data], tuple(_RESTART_MARKER.split(jpeg[data : -len(EOI)])))

    def with_rows(self, replaced: Sequence[tuple[int, JpegRows]]) -> bytes:
        """Return the JPEG with other rows from the given pixel rows on, which are multiples of `ROW_HEIGHT`."""
        rows = list(self.rows)
        for top, other in replaced:
            first = top // ROW_HEIGHT
            rows[first : first + len(other.rows)] = other.rows
        pieces = [self.headers]
        for number, row in enumerate(rows):
            # The markers count from 0 to 7, over and over; there is none after the last row.
            pieces += (row, bytes((0xFF, 0xD0 + number % 8)))
        pieces[-1] = EOI
        return b"".join(pieces)
