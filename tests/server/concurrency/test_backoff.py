"""Delays between retries."""

from pi_mjpeg_server.concurrency.backoff import retry_delay

DELAYS = (0.5, 1.0, 3.0)


def test_each_retry_waits_its_own_delay_within_the_jitter() -> None:
    for attempt, delay in enumerate(DELAYS):
        for _ in range(200):
            assert 0.8 * delay <= retry_delay(DELAYS, attempt) <= 1.2 * delay


def test_the_last_delay_holds_for_all_later_retries() -> None:
    for attempt in (3, 4, 1000):
        assert 2.4 <= retry_delay(DELAYS, attempt) <= 3.6


def test_two_devices_do_not_retry_at_the_same_moment() -> None:
    assert len({retry_delay(DELAYS, 0) for _ in range(20)}) > 1
