"""Parses Server-Sent Events (HTML Living Standard, 9.2), within limits."""

from dataclasses import dataclass
from typing import Final

from ..const import MAX_MESSAGE_BYTES

MAX_WAITING_EVENTS: Final = 512
"""Events in one piece of the stream. A server with 16 cameras tells some 100 at once."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventStreamError(Exception):
    """The stream is larger than it may be. The message says where."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event, or a comment, by which a server that has nothing to say shows that it is there: its kind is empty."""

    kind: str
    data: str


class EventStreamParser:
    """Takes a stream apart, in pieces of any length."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._kind = ""
        self._data: list[str] = []
        self._length = 0
        self._began = False
        self._ends_with_cr = False

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Return the events that end in this piece. Raises `EventStreamError`."""
        if self._ends_with_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._ends_with_cr = piece.endswith(b"\r")
        self._line += piece
        *lines, rest = self._line.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._line = bytearray(rest)
        events: list[ServerSentEvent] = []
        for line in lines:
            events += self._take(bytes(line))
            if len(events) > MAX_WAITING_EVENTS:
                raise EventStreamError(f"more than {MAX_WAITING_EVENTS} events came at once")
        if len(self._line) + self._length > MAX_MESSAGE_BYTES:
            raise EventStreamError(f"an event is larger than {MAX_MESSAGE_BYTES} bytes")
        return events

    def _take(self, line: bytes) -> list[ServerSentEvent]:
        if not self._began:
            self._began = True
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return [ServerSentEvent("", "")]
        self._length += len(line)
        if self._length > MAX_MESSAGE_BYTES:
            raise EventStreamError(f"an event is larger than {MAX_MESSAGE_BYTES} bytes")
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        return []

    def _dispatch(self) -> list[ServerSentEvent]:
        kind, data = self._kind, "\n".join(self._data)
        self._kind, self._data, self._length = "", [], 0
        # Without a kind it is a "message", of which this server sends none.
        return [ServerSentEvent(kind, data)] if kind and data else []
