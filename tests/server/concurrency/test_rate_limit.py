"""A rate limit allows a burst, and then so many a second."""

from pi_mjpeg_server.concurrency.rate_limit import RateLimit


def test_a_burst_is_allowed_and_then_so_many_a_second() -> None:
    limit = RateLimit(4, 2)
    assert [limit.take("a", 100) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    assert limit.take("a", 100.25) == 0.25
    assert limit.take("a", 100.5) == 0
    assert limit.take("a", 100.5) == 0.5
    assert limit.take("b", 100.5) == 0
    assert [limit.take("a", 1000) for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_a_flood_does_not_extend_the_wait() -> None:
    limit = RateLimit(1, 1)
    allowed = [number for number in range(10_000) if limit.take("a", number / 1000) == 0]
    assert len(allowed) == 10
