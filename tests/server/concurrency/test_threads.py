"""Blocking calls in threads."""

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import pytest
from pi_mjpeg_server.concurrency.threads import resolve, run_in_daemon_thread


def test_a_future_gets_the_result_or_the_exception_of_the_call() -> None:
    future: Future[int] = Future()
    resolve(future, lambda: 3)
    assert future.result(0) == 3
    failed: Future[float] = Future()
    resolve(failed, lambda: 1 / 0)
    assert isinstance(failed.exception(0), ZeroDivisionError)


def test_the_call_of_a_cancelled_future_is_not_made() -> None:
    calls: list[int] = []
    future: Future[None] = Future()
    future.cancel()
    resolve(future, lambda: calls.append(1))
    assert calls == []


async def test_a_future_that_is_cancelled_during_the_call_ignores_the_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started, finish = threading.Event(), threading.Event()

    def call() -> None:
        started.set()
        finish.wait(5)

    future: Future[None] = Future()
    thread = threading.Thread(target=resolve, args=(future, call))
    thread.start()
    waiting = asyncio.ensure_future(asyncio.wrap_future(future))
    await asyncio.to_thread(started.wait, 5)
    waiting.cancel()
    finish.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    thread.join(5)
    await asyncio.sleep(0)
    assert not thread.is_alive()
    assert caplog.text == ""


def test_a_call_that_outlives_its_event_loop_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    started, finish = threading.Event(), threading.Event()
    future: Future[None] = Future()

    def call() -> None:
        started.set()
        finish.wait(5)

    async def wait_briefly() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.wrap_future(future)

    thread = threading.Thread(target=resolve, args=(future, call))
    thread.start()
    assert started.wait(5)
    asyncio.run(wait_briefly())
    finish.set()
    thread.join(5)
    assert not thread.is_alive()
    assert future.done()
    assert caplog.text == ""


async def test_a_call_runs_in_a_thread_of_the_given_name_beside_the_event_loop() -> None:
    def call() -> str:
        time.sleep(0.1)
        return threading.current_thread().name

    ticks = 0
    running = asyncio.create_task(run_in_daemon_thread(call, "resolver"))
    while not running.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert await running == "resolver"
    assert ticks > 2


async def test_an_exception_is_raised_where_the_call_is_awaited() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_in_daemon_thread(lambda: 1 / 0, "divider")


def test_a_call_that_blocks_does_not_delay_the_end_of_the_process() -> None:
    program = """
import asyncio, time
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread

async def main():
    try:
        async with asyncio.timeout(0.1):
            await run_in_daemon_thread(lambda: time.sleep(60), "sleeper")
    except TimeoutError:
        print("ended")

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20, check=True)  # noqa: S603
    assert done.stdout == b"ended\n"
    assert done.stderr == b""
