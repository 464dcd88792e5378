"""A warning that a client can cause is logged at most once an hour."""

import time

import pytest
from pi_mjpeg_server.logs import RateLimitedLog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that `time.monotonic` gives, in a list of one to change."""
    now = [1.0]  # soon after the boot, when the clock shows less than an hour
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_warning_is_repeated_after_an_hour(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    limited = RateLimitedLog()
    assert limited.warn("disk", "the disk is full: 1")
    assert not limited.warn("disk", "the disk is full: 2")
    clock[0] += 3599
    assert not limited.warn("disk", "the disk is full: 3")
    assert limited.warn("broker", "the broker is gone")
    clock[0] += 1
    assert limited.warn("disk", "the disk is full: 4")
    assert caplog.messages == ["the disk is full: 1", "the broker is gone", "the disk is full: 4"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_a_reset_lets_every_warning_be_logged_again(clock: list[float]) -> None:
    limited = RateLimitedLog()
    assert limited.warn("broker", "the broker is gone")
    limited.reset()
    assert limited.warn("broker", "the broker is gone again")
    assert clock == [1.0]


def test_clients_that_are_many_cannot_fill_the_log(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    limited = RateLimitedLog()
    for number in range(1000):
        limited.warn(f"192.0.2.{number}", "a wrong token, 100 % of the time")
    assert len(caplog.messages) == 64
    clock[0] += 3600
    assert limited.warn("192.0.2.0", "one of them again")
