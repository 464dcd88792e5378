"""Notices another server that publishes under this server's id, as after a copied SD card.

Both tell their owners. Neither stops publishing: otherwise whoever may publish on the broker could stop a server by an
announcement. They correct each other less and less often (`RetainedCorrector`).
"""

import json
import logging

from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.server import Server

PROBLEM = "duplicate_id"
"""The code of the problem in `Server.problems`."""

_LOGGER = logging.getLogger(__name__)
_MAX_TEXT = 200
_MAX_SEEN = 64


class TwinDetector:
    """Reads what is published on the topic of this server's announcement."""

    def __init__(self, server: Server) -> None:
        """Start without a twin."""
        self._server = server
        self._seen: set[str] = set()
        self._rate_limited_log = RateLimitedLog()

    def received(self, payload: bytes) -> None:
        """Look at what was published as the announcement of this server's id.

        The owner is told once another process has sent one a second time: a single message may be from a process that
        has ended.
        """
        other = _read(payload)
        if other.get("id") != self._server.identity.node or other.get("instance") == self._server.instance:
            return
        instance = str(other.get("instance"))[:_MAX_TEXT]
        if instance not in self._seen:
            if len(self._seen) < _MAX_SEEN:
                self._seen.add(instance)
            return
        message = (
            f"another server has the id {self._server.identity.node} too{_where(other)}: give one a new id with "
            "`pi-mjpeg new-id` (sudo pi-mjpeg new-id --state-dir /var/lib/pi-mjpeg for the service), and restart it"
        )
        self._server.problems[PROBLEM] = message
        self._rate_limited_log.warn(PROBLEM, f"MQTT: {message}")

    def gone(self) -> None:
        """Forget the twin."""
        self._seen.clear()
        if self._server.problems.pop(PROBLEM, None) is not None:
            _LOGGER.info("MQTT: the other server with this id is gone")
            self._rate_limited_log.reset()


def _read(payload: bytes) -> dict[str, object]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _where(other: dict[str, object]) -> str:
    url = other.get("base_url")
    return f", at {url}" if isinstance(url, str) and url.isprintable() and 0 < len(url) <= _MAX_TEXT else ""
