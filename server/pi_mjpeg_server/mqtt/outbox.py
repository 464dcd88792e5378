"""What still has to be said to the broker: the latest on each topic, and never a queue of what is over."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

_WINDOW = 16
"""Messages on their way at once; what is above 20, paho would queue by itself."""
_MAX_PASSING = 64
"""Messages that nobody keeps, such as answers, that may wait; the oldest go first."""


@dataclass(frozen=True, slots=True)
class _Letter:
    topic: str
    payload: str
    retain: bool


class Outbox:
    """Messages that wait for their turn.

    Of those that the broker keeps, at most one for each topic: what comes later replaces what still waits. Topics keep
    the order in which they first came, so that what is put last is said last.
    """

    def __init__(self, send: Callable[[str, str, bool], int], most_under_way: int = _WINDOW) -> None:
        """Begin empty; `send` takes topic, payload and whether to retain it, and returns the message's number."""
        self._send = send
        self._window = min(most_under_way, _WINDOW)
        self._waiting: dict[str | int, _Letter] = {}
        self._under_way: dict[int, str] = {}
        self._numbers = count()

    @property
    def empty(self) -> bool:
        """Whether the broker has taken everything."""
        return not self._waiting and not self._under_way

    def put(self, topic: str, payload: str, *, retain: bool) -> None:
        """Say this as soon as it can be said."""
        self._waiting[topic if retain else next(self._numbers)] = _Letter(topic, payload, retain)
        passing = [key for key, letter in self._waiting.items() if not letter.retain]
        if len(passing) > _MAX_PASSING:
            del self._waiting[passing[0]]
        self._post()

    def taken(self, number: int) -> str:
        """Take note that the broker has a message, and return its topic."""
        topic = self._under_way.pop(number, "")
        self._post()
        return topic

    def drop(self) -> None:
        """Leave unsaid what still waits."""
        self._waiting.clear()

    def _post(self) -> None:
        while self._waiting and len(self._under_way) < self._window:
            letter = self._waiting.pop(next(iter(self._waiting)))
            self._under_way[self._send(letter.topic, letter.payload, letter.retain)] = letter.topic
