"""Captures whose driver call never returned: how many there are, and whether one of them keeps the device busy."""

from pi_mjpeg_server.camera.capture import Capture


class AbandonedCaptures:
    """Each keeps a thread, and perhaps the device. A capture whose call returns at last does not count any more."""

    def __init__(self) -> None:
        """Start without any."""
        self._captures: list[Capture] = []
        self._busy_retries = 0

    def add(self, capture: Capture) -> None:
        """Leave a driver call alone in its thread."""
        capture.abandon()
        self._captures.append(capture)

    def explain_busy(self) -> bool:
        """Count that the device was busy, and return whether one of these calls can be the reason."""
        is_explained = any(capture.is_alive for capture in self._captures)
        self._busy_retries += is_explained
        return is_explained

    def forget_busy(self) -> None:
        """Start to count anew how often the device was busy."""
        self._busy_retries = 0

    def tries_in_vain(self, max_threads: int, max_busy_retries: int) -> int | None:
        """Return the number of tries if so many of these calls leave no hope, or else None."""
        self._captures = [capture for capture in self._captures if capture.is_alive]
        if not self._captures:
            self._busy_retries = 0
        is_hopeless = len(self._captures) >= max_threads or self._busy_retries >= max_busy_retries
        return len(self._captures) + self._busy_retries if is_hopeless else None
