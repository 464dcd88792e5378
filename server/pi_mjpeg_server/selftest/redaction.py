"""Removes from a report what tells where its owner lives, and what others must not know."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from pi_mjpeg_server.config import Configuration

_PATTERNS = (
    # The name of a USB device in /dev/v4l/by-id ends with its serial number.
    (re.compile(r"\busb-[\w.:+-]+-video-index(\d+)"), r"<device>-video-index\1"),
    (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE), "<mac>"),
    (re.compile(r"\b(?!127\.0\.0\.1\b|0\.0\.0\.0\b)(?:\d{1,3}\.){3}\d{1,3}\b"), "<address>"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:+){3,7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE), "<address>"),
    (re.compile(r"(?<![\w:])[0-9a-f]{1,4}::[0-9a-f:]*(?:%\w+)?", re.IGNORECASE), "<address>"),
    (re.compile(r"/home/[\w.-]+"), "~"),
    # An access token has at least as many characters.
    (re.compile(r"(?<![\w/-])[\w-]{32,}(?![\w/-])"), "<removed>"),
)
_MIN_NAME = 3
"""Letters that a private name must have: a shorter one would be removed from words that contain it."""


def make_redactor(configuration: Configuration) -> Callable[[str], str]:
    """Return a function that removes from a text what is private in the configuration and on this machine."""
    names = sorted(set(_names(configuration)), key=lambda named: (-len(named[0]), named))

    def redact(text: str) -> str:
        for private, shown in names:
            if private in text:
                text = re.sub(rf"(?<!\w){re.escape(private)}(?!\w)", lambda _, shown=shown: shown, text)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for pattern, shown in _PATTERNS:
            text = pattern.sub(shown, text)
        return text

    return redact


def _names(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Yield each private name, and what stands for it in the report."""
    candidates = [
        (str(configuration.server.state_dir), "<state folder>"),
        (str(Path.home()), "~"),
        (socket.gethostname(), "<host>"),
        (configuration.server.name, "<name>"),
        (configuration.server.host, "<host>"),
        (configuration.server.public_url, "<url>"),
        (configuration.mqtt.host, "<broker>"),
        (configuration.mqtt.username, "<user>"),
    ]
    for place, camera in enumerate(configuration.cameras):
        candidates.append((camera.requested.device, "<device>"))
        if place not in configuration.default_names:
            candidates.append((camera.name, "<name>"))
    for private, shown in candidates:
        if private is not None and len(private) >= _MIN_NAME and private != "localhost":
            yield private, shown
