"""When a camera that failed is opened again."""

from collections.abc import Sequence

from pi_mjpeg_server.concurrency.backoff import retry_delay


class Retries:
    """Waits longer after each failure in a row. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        """Start without a failure."""
        self.due_at = 0.0
        self._failures = 0

    def succeeded(self) -> None:
        """Start anew with the next failure; the time of a retry that is due stays."""
        self._failures = 0

    def now(self) -> None:
        """Retry at once, as if nothing had failed."""
        self._failures = 0
        self.due_at = 0.0

    def failed(self, delays: Sequence[float], now: float) -> float:
        """Return the seconds until the next try, one of `delays`; the last holds for all later ones."""
        delay = retry_delay(delays, self._failures)
        self._failures += 1
        self.due_at = now + delay
        return delay
