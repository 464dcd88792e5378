"""However many listeners there are, and however often something changes, the event loop has its turn in between."""

import asyncio
from collections.abc import Iterator
from time import monotonic

import pytest

from custom_components.pi_mjpeg.api.paced_updates import INTERVAL, MAX_AT_ONCE, PacedUpdates


class Listeners:
    """Listeners that count how often they were updated, and how many between two turns of the event loop."""

    def __init__(self, count: int) -> None:
        self.numbers = list(range(count))
        self.calls = 0
        self.most_at_once = 0
        self._at_once = 0
        self.paced = PacedUpdates(lambda: list(self.numbers), self.update)

    def update(self, number: int) -> None:
        """Count a call."""
        assert number in self.numbers
        if not self._at_once:
            asyncio.get_running_loop().call_soon(self._turn)
        self.calls += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)

    def _turn(self) -> None:
        self._at_once = 0


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    """More of them than are updated at once."""
    listeners = Listeners(1024)
    yield listeners
    listeners.paced.stop()


async def test_few_listeners_are_updated_before_the_call_returns() -> None:
    listeners = Listeners(MAX_AT_ONCE)
    listeners.paced.soon()
    assert listeners.calls == MAX_AT_ONCE
    listeners.paced.now()
    assert listeners.calls == 2 * MAX_AT_ONCE
    listeners.paced.stop()


async def test_many_listeners_are_updated_a_few_at_a_time(listeners: Listeners) -> None:
    listeners.paced.now()
    assert listeners.calls == MAX_AT_ONCE
    await asyncio.sleep(INTERVAL / 2)
    assert (listeners.calls, listeners.most_at_once) == (1024, MAX_AT_ONCE)


async def test_a_storm_of_messages_does_not_make_more_rounds_and_the_last_one_counts(listeners: Listeners) -> None:
    began = monotonic()
    for _ in range(500):
        listeners.paced.soon()
        await asyncio.sleep(0)
    rounds = 1 + int((monotonic() - began) / INTERVAL)
    assert listeners.calls <= 1024 * rounds
    before = listeners.calls
    await asyncio.sleep(3 * INTERVAL)
    assert before < listeners.calls <= 1024 * (rounds + 1)


async def test_a_change_by_a_person_begins_the_round_again(listeners: Listeners) -> None:
    listeners.paced.now()
    await asyncio.sleep(0)
    listeners.paced.now()
    assert listeners.calls in {2 * MAX_AT_ONCE, 3 * MAX_AT_ONCE}
    before = listeners.calls - MAX_AT_ONCE
    await asyncio.sleep(2 * INTERVAL)
    assert listeners.calls == before + 1024


async def test_nothing_is_updated_after_the_end(listeners: Listeners) -> None:
    listeners.paced.now()
    listeners.paced.soon()
    listeners.paced.stop()
    listeners.paced.now()
    listeners.paced.soon()
    await asyncio.sleep(2 * INTERVAL)
    assert listeners.calls == MAX_AT_ONCE
