"""A message that a client can cause is logged at most once an hour, with a count, for as long as it goes on."""

import time

import pytest
from pi_mjpeg_server.logs import RateLimitedLog

HOUR = 3600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that `time.monotonic` gives, in a list of one to change."""
    now = [1.0]  # soon after the boot, when the clock shows less than an hour
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_warning_is_repeated_after_an_hour_with_the_number_left_out(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    limited = RateLimitedLog()
    assert limited.warn("disk", "the disk is full: 1")
    assert not limited.warn("disk", "the disk is full: 2")
    clock[0] += HOUR - 1
    assert not limited.warn("disk", "the disk is full: 3")
    assert limited.warn("broker", "the broker is gone")
    clock[0] += 1
    assert limited.warn("disk", "the disk is full: 4")
    clock[0] += HOUR
    assert limited.warn("disk", "the disk is full: 5")
    assert caplog.messages == [
        "the disk is full: 1",
        "the broker is gone",
        "the disk is full: 4 (and 2 more times in the last hour)",
        "the disk is full: 5",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_a_reset_lets_every_warning_be_logged_again(clock: list[float]) -> None:
    limited = RateLimitedLog()
    assert limited.warn("broker", "the broker is gone")
    limited.reset()
    assert limited.warn("broker", "the broker is gone again")
    assert clock == [1.0]


def test_clients_that_are_many_cannot_fill_the_log_and_are_not_hidden(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    limited = RateLimitedLog()
    for number in range(1000):
        limited.warn(f"192.0.2.{number}", f"{number}: a wrong token, 100 % of the time")
    assert len(caplog.messages) == 65
    assert caplog.messages[-1] == "64: a wrong token, 100 % of the time (and others)"
    clock[0] += HOUR
    assert limited.warn("192.0.2.0", "one of them again")


def test_the_log_tells_of_guessing_from_ever_new_addresses_for_as_long_as_it_goes_on(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    limited = RateLimitedLog()
    lines_of_hours = []
    number = 0
    for _ in range(10):
        before = len(caplog.messages)
        for _ in range(HOUR):
            clock[0] += 1
            number += 1
            limited.warn(f"address {number}", f"{number}: a wrong token")
        lines_of_hours.append(len(caplog.messages) - before)
    assert all(1 <= lines <= 66 for lines in lines_of_hours), lines_of_hours
    told = [message for message in caplog.messages if "and others: " in message]
    assert len(told) == 9
    assert all("more in the last hour" in message for message in told)


def test_a_subject_that_is_an_hour_old_makes_room_for_another(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    limited = RateLimitedLog()
    for number in range(64):
        limited.warn(f"subject {number}", "old")
    clock[0] += HOUR
    assert limited.warn("another", "new")
    assert caplog.messages[-1] == "new"


def test_an_exception_is_logged_with_its_traceback_and_only_once(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    limited = RateLimitedLog()
    for _ in range(3):
        try:
            int("a bug")
        except ValueError as error:
            limited.exception("listener", "the listener failed", error)
    assert clock == [1.0]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.text.count("ValueError: invalid literal") == 1
    assert caplog.text.count("Traceback") == 1
