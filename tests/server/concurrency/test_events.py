"""Waiting for an event with a timeout."""

import asyncio
import time

import pytest
from pi_mjpeg_server.concurrency.events import wait_for_event


async def test_an_event_that_is_set_already_is_not_waited_for() -> None:
    event = asyncio.Event()
    event.set()
    assert await wait_for_event(event, 0)
    assert await wait_for_event(event, None)


@pytest.mark.parametrize("seconds", [5, None])
async def test_an_event_that_is_set_meanwhile_ends_the_wait(seconds: float | None) -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, event.set)
    start = time.monotonic()
    assert await wait_for_event(event, seconds)
    assert 0.04 < time.monotonic() - start < 1


@pytest.mark.parametrize("seconds", [0.05, 0, -1])
async def test_an_event_that_is_not_set_in_time_is_reported(seconds: float) -> None:
    start = time.monotonic()
    assert not await wait_for_event(asyncio.Event(), seconds)
    assert time.monotonic() - start < 1


async def test_a_cancelled_wait_is_cancelled_and_no_timeout() -> None:
    waiting = asyncio.create_task(wait_for_event(asyncio.Event(), 5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
