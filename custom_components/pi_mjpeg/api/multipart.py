"""An incremental parser of `multipart/x-mixed-replace` bodies that never holds more than it is allowed to.

Parts and boundaries are those of RFC 2046, section 5.1. Cameras in the field write them in several ways, so a line may
end in LF or CRLF, a part may lack its `Content-Length`, and the boundary in the header may or may not begin with the
dashes that the body puts before it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto
from typing import Final

MAX_BOUNDARY: Final = 70
"""Characters; RFC 2046, section 5.1.1."""

_MAX_DASHES: Final = MAX_BOUNDARY + 2
_MAX_DELIMITER: Final = 2 + _MAX_DASHES + MAX_BOUNDARY + 2 + 8 + 2
"""Bytes of the longest delimiter line that the pattern below matches, line ends included."""

_WINDOW: Final = 1024
"""Bytes that are looked at at a time for delimiters and headers, so that little of a body is copied with them."""

_MIN_PIECE: Final = 1024
"""Bytes. Smaller pieces of a body are put together at once, or a server could fill the memory with single bytes."""

_END_OF_HEADERS: Final = re.compile(rb"(?:\A|\n)\r?\n")
_CONTENT_LENGTH: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_CONTENT_TYPE: Final = "multipart/x-mixed-replace"


class MultipartError(Exception):
    """The bytes are not a multipart body within the limits. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part. The names of `headers` are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class _State(Enum):
    """What the next byte in the buffer belongs to."""

    DELIMITER = auto()
    HEADERS = auto()
    COUNTED_BODY = auto()
    UNCOUNTED_BODY = auto()
    EPILOGUE = auto()


def boundary_of(content_type: str) -> str:
    """Return the boundary that a `Content-Type` header names.

    Raises `MultipartError` when the header names another type, or a boundary that RFC 2046 does not allow.
    """
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_type() != _CONTENT_TYPE:
        raise MultipartError(f"expected {_CONTENT_TYPE}, got {message.get_content_type()}")
    boundary = message.get_boundary()
    if boundary is None:
        raise MultipartError("the Content-Type names no boundary")
    return boundary


class MultipartParser:
    """Takes bytes in pieces of any size, and returns the parts that they complete.

    At most `limit` bytes are held, also while `feed` runs, and at most `max_parts` parts are taken from what it is
    given: reading a chunk full of tiny ones would hold up the event loop. A part that has a `Content-Length` is copied
    once, when it is complete. After an error the parser must not be used again.
    """

    def __init__(self, boundary: str, *, max_part: int, max_parts: int = 240, max_headers: int = 4096) -> None:
        """Refuse parts of more than `max_part` bytes and header blocks of more than `max_headers` bytes."""
        name = boundary.lstrip("-")
        if not name or len(boundary) > MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
            raise MultipartError(f"{boundary[:MAX_BOUNDARY]!r} is no boundary")
        # Bounded repetitions keep the search linear whatever the bytes are.
        line = rb"-{2,%d}%s(--)?[ \t]{0,8}" % (_MAX_DASHES, re.escape(name.encode()))
        self._delimiter = re.compile(rb"(?:\A|\r?\n)" + line + rb"\r?\n")
        self._end_of_body = re.compile(rb"\r?\n" + line + rb"\r?\n")
        self._max_part = max_part
        self._max_parts = max_parts
        self._max_headers = max_headers
        self.limit = max(max_part, max_headers) + _MAX_DELIMITER
        self._buffer = bytearray()
        self._state = _State.DELIMITER
        self._headers: dict[str, str] = {}
        self._missing = 0
        self._pieces: list[bytearray | memoryview] = []
        self._searched = 0
        self._skipped = 0

    @property
    def held(self) -> int:
        """The number of bytes held until the rest of their part comes."""
        return len(self._buffer) + sum(map(len, self._pieces))

    def feed(self, data: bytes) -> list[Part]:
        """Return the parts that `data` completes, in order. Raises `MultipartError`."""
        parts: list[Part] = []
        rest = memoryview(data)
        while rest:
            if self._state is _State.COUNTED_BODY:
                count = min(len(rest), self._missing)
                self._add_to_body(rest[:count])
            else:
                room = self.limit - len(self._buffer)
                count = room if self._state is _State.UNCOUNTED_BODY else min(room, _WINDOW)
                self._buffer += rest[:count]
            rest = rest[count:]
            while self._step(parts):
                if len(parts) > self._max_parts:
                    raise MultipartError(f"more than {self._max_parts} parts come at once")
        return parts

    def _step(self, parts: list[Part]) -> bool:
        """Take one delimiter, header block or body from the buffer; False if it is not complete yet."""
        match self._state:
            case _State.DELIMITER:
                return self._take_delimiter()
            case _State.HEADERS:
                return self._take_headers()
            case _State.COUNTED_BODY:
                return self._take_counted_body(parts)
            case _State.UNCOUNTED_BODY:
                return self._take_uncounted_body(parts)
            case _State.EPILOGUE:
                self._buffer.clear()
                return False

    def _take_delimiter(self) -> bool:
        """Skip to the line after the next delimiter."""
        if found := self._delimiter.search(self._buffer):
            self._skip(found.start())
            self._begin_part(found)
            return True
        # What may be the beginning of a delimiter has to stay.
        surplus = len(self._buffer) - _MAX_DELIMITER
        if surplus > 0:
            self._skip(surplus)
            del self._buffer[:surplus]
        return False

    def _skip(self, count: int) -> None:
        """Count bytes outside of any part. A server that sends only those is no camera."""
        self._skipped += count
        if self._skipped > self._max_headers:
            raise MultipartError("there is no boundary where one is due")

    def _begin_part(self, delimiter: re.Match[bytes]) -> None:
        self._state = _State.EPILOGUE if delimiter[1] else _State.HEADERS
        self._skipped = 0
        del self._buffer[: delimiter.end()]

    def _take_headers(self) -> bool:
        found = _END_OF_HEADERS.search(self._buffer)
        if (found.end() if found else len(self._buffer)) > self._max_headers:
            raise MultipartError(f"a header block is larger than {self._max_headers} bytes")
        if found is None:
            return False
        self._headers = _parse_headers(self._buffer[: found.end()])
        del self._buffer[: found.end()]
        self._searched = 0
        length = self._headers.get("content-length")
        if length is None:
            self._state = _State.UNCOUNTED_BODY
            return True
        if not _CONTENT_LENGTH.fullmatch(length):
            raise MultipartError(f"{length[:20]!r} is no Content-Length")
        self._missing = int(length)
        if self._missing > self._max_part:
            raise MultipartError(f"a part of {self._missing} bytes is larger than {self._max_part}")
        self._state = _State.COUNTED_BODY
        return True

    def _take_counted_body(self, parts: list[Part]) -> bool:
        if self._buffer:
            # What came together with the headers.
            count = min(len(self._buffer), self._missing)
            self._add_to_body(memoryview(bytes(self._buffer[:count])))
            del self._buffer[:count]
        if self._missing:
            return False
        parts.append(Part(self._headers, b"".join(self._pieces)))
        self._pieces = []
        self._state = _State.DELIMITER
        return True

    def _add_to_body(self, piece: memoryview) -> None:
        self._missing -= len(piece)
        if len(piece) >= _MIN_PIECE:
            self._pieces.append(piece)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += piece
        else:
            self._pieces.append(bytearray(piece))

    def _take_uncounted_body(self, parts: list[Part]) -> bool:
        found = self._end_of_body.search(self._buffer, self._searched)
        # Once the longest delimiter would no longer fit, no delimiter that comes can end a part of the allowed size.
        body_at_least = found.start() if found else len(self._buffer) - _MAX_DELIMITER + 1
        if body_at_least > self._max_part:
            raise MultipartError(f"a part is larger than {self._max_part} bytes")
        if found is None:
            self._searched = max(0, len(self._buffer) - _MAX_DELIMITER)
            return False
        with memoryview(self._buffer) as view:
            parts.append(Part(self._headers, bytes(view[: found.start()])))
        closing = found[1] is not None
        del self._buffer[: found.end()]
        self._state = _State.EPILOGUE if closing else _State.HEADERS
        return True


def _parse_headers(block: bytearray) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode("latin-1").split("\n"):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            raise MultipartError(f"{line[:40]!r} is no header line")
        if name in headers:
            raise MultipartError(f"the header {name[:40]!r} is there twice")
        headers[name] = value.strip()
    return headers
