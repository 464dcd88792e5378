"""Notices another server that publishes under this server's id, as after a copied SD card.

Both tell their owners, and one of them yields, so that they do not contradict each other for ever: the one that was
started later, or one that meets a version which knows nothing of this.
"""

import json
import logging

from pi_mjpeg_server.documents import iso
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.server import Server

PROBLEM = "duplicate_id"
"""The code of the problem in `Server.problems`."""

_LOGGER = logging.getLogger(__name__)
_MAX_TEXT = 200


class TwinDetector:
    """Reads what is published on the topic of this server's announcement."""

    def __init__(self, server: Server) -> None:
        """Start without a twin."""
        self._server = server
        self._answered: set[str] = set()
        self._rate_limited_log = RateLimitedLog()

    def is_foreign(self, payload: bytes) -> bool:
        """Return whether this is an announcement of this id that another process has sent."""
        other = _read(payload)
        return other.get("id") == self._server.identity.node and other.get("instance") != self._server.instance

    def yields_to(self, payload: bytes) -> bool:
        """Note the twin that sent an announcement, and return whether this server is the one to yield."""
        other = _read(payload)
        node = self._server.identity.node
        message = (
            f"another server has the id {node} too{_where(other)}: give one of them a new id with `pi-mjpeg new-id` "
            "(sudo pi-mjpeg new-id --state-dir /var/lib/pi-mjpeg for the service), and restart it"
        )
        self._server.problems[PROBLEM] = message
        self._rate_limited_log.warn(PROBLEM, f"MQTT: {message}")
        started_at, instance = other.get("started_at"), other.get("instance")
        if not isinstance(started_at, str) or not isinstance(instance, str):
            return True
        return (started_at, instance) < (iso(self._server.started_at), self._server.instance)

    def has_to_show_itself(self, payload: bytes) -> bool:
        """Return, once for each twin, true: it may not have received this server's announcement yet."""
        instance = str(_read(payload).get("instance"))[:_MAX_TEXT]
        if instance in self._answered or len(self._answered) >= _MAX_TEXT:
            return False
        self._answered.add(instance)
        return True

    def gone(self) -> None:
        """Forget the twin."""
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
