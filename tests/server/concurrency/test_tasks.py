"""Background tasks."""

import asyncio

import pytest
from pi_mjpeg_server.concurrency.tasks import create_logged_task


async def test_an_exception_is_logged_while_the_task_is_still_held(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    task = create_logged_task(fail(), "counting")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "the task 'counting' failed" in caplog.text
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text


async def test_a_task_that_returns_or_is_cancelled_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    task = create_logged_task(asyncio.sleep(0), "short")
    await task
    long_task = create_logged_task(asyncio.sleep(60), "long")
    await asyncio.sleep(0)
    long_task.cancel()
    await asyncio.gather(long_task, return_exceptions=True)
    await asyncio.sleep(0)
    assert (task.get_name(), long_task.get_name()) == ("short", "long")
    assert caplog.text == ""
