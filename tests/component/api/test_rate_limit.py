"""What strangers can make Home Assistant do or log has an end, and begins again after its time."""

import logging

import pytest

from custom_components.pi_mjpeg.api.rate_limit import OncePer, RateLimit, RateLimitedLog


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def test_so_many_events_are_allowed_in_each_period() -> None:
    clock = Clock()
    limit = RateLimit(3, 1, clock)
    assert [limit.allows(), limit.allows(2), limit.allows()] == [True, True, False]
    clock.now = 1
    assert limit.allows(3)
    assert not limit.allows(1000)


def test_each_subject_has_its_turn_once_and_there_are_not_too_many() -> None:
    clock = Clock()
    once = OncePer(2, 60, clock)
    assert [once.allows(subject) for subject in "aabbc"] == [True, False, True, False, False]
    clock.now = 60
    assert [once.allows(subject) for subject in "cac"] == [True, True, False]


def test_a_warning_is_logged_once_an_hour_for_each_subject_and_once_for_all_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    limited = RateLimitedLog(logging.getLogger("test"), 3, clock)
    for _ in range(100):
        for subject in range(100):
            limited.warn(subject, "about %s", subject)
    assert [record.getMessage() for record in caplog.records] == [
        "about 0",
        "about 1",
        "about 2",
        "More warnings like the last ones are not logged for an hour",
    ]
    clock.now = 3600
    limited.warn(7, "about %s", 7)
    assert caplog.records[-1].getMessage() == "about 7"
