"""Delays between retries."""

from pi_mjpeg_server.concurrency.backoff import GrowingDelay, retry_delay

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


def test_a_delay_grows_while_it_is_provoked_and_is_short_again_after_a_quiet_time() -> None:
    delay = GrowingDelay(1, 60)
    now = 0.0
    delays = []
    for _ in range(10):
        delays.append(delay.seconds(now))
        now += delay.seconds(now)
        delay.acted(now)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert delay.count(now) == 10
    assert delay.seconds(now + 119) == 60
    assert delay.count(now + 121) == 0
    assert delay.seconds(now + 121) == 1


def test_a_delay_stays_bounded_for_ever() -> None:
    delay = GrowingDelay(1, 60)
    for number in range(5000):
        delay.acted(number)
    assert delay.seconds(5000) == 60
