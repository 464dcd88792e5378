"""Reads a clip's file as a client does that knows only the contract."""

import re
from dataclasses import dataclass

_PART = re.compile(rb"Content-Type: image/jpeg\r\nContent-Length: (\d+)\r\nX-Timestamp: (\d+\.\d{6})\r\n\r\n")
_BOUNDARY = b"--frame\r\n"


@dataclass(frozen=True)
class Shown:
    """A picture in a clip, and when it was taken, in seconds since 1970."""

    timestamp: float
    jpeg: bytes


def pictures(content: bytes) -> list[Shown]:
    """Return the pictures of a clip. Fails when its file is not whole."""
    assert content.startswith(_BOUNDARY)
    offset, found = len(_BOUNDARY), []
    while offset < len(content):
        headers = _PART.match(content, offset)
        assert headers, content[offset : offset + 100]
        end = headers.end() + int(headers[1])
        picture = content[headers.end() : end]
        assert picture.startswith(b"\xff\xd8")
        assert content[end : end + len(_BOUNDARY) + 2] == b"\r\n" + _BOUNDARY
        found.append(Shown(float(headers[2]), picture))
        offset = end + len(_BOUNDARY) + 2
    return found
