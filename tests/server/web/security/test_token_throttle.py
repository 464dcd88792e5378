"""How long a client has to wait after wrong tokens."""

from pi_mjpeg_server.web.security.token_throttle import Throttle


def test_the_waits_double_up_to_a_maximum_and_are_forgotten() -> None:
    throttled = Throttle()
    waits = []
    now = 1000.0
    for _ in range(14):
        throttled.failed("192.0.2.1", now)
        waits.append(throttled.wait("192.0.2.1", now))
        now += waits[-1]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert throttled.wait("192.0.2.2", now) == 0
    # Somebody else with this address has the token, which does not help whoever guesses.
    throttled.succeeded("192.0.2.1", now - 1)
    assert throttled.wait("192.0.2.1", now - 1) == 1
    throttled.succeeded("192.0.2.1", now)
    throttled.failed("192.0.2.1", now)
    assert throttled.wait("192.0.2.1", now) == 0
    for number in range(5):
        throttled.failed(f"2001:db8::{number}", now)
    assert throttled.wait("2001:db8::ffff", now) > 0
    assert throttled.wait("2001:db8:0:1::1", now) == 0
    for _ in range(5):
        throttled.failed("::ffff:192.0.2.5", now)
    assert throttled.wait("192.0.2.5", now) > 0
    assert throttled.wait("::ffff:192.0.2.6", now) == 0
    for number in range(5000):
        throttled.failed(f"10.0.{number // 256}.{number % 256}", now)
    assert throttled.wait("2001:db8::1", now) == 0
