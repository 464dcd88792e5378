"""A mistake in the configuration, told so that it can be mended: where it is, what is wrong, what was meant."""

import difflib
import re
from collections.abc import Iterable


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names the place and the mistake."""


def unknown_key(section: str, key: str, known: Iterable[str]) -> str:
    """Return a sentence about a key that there is not, with the nearest one that there is."""
    known = sorted(known)
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "known are: " + ", ".join(known)
    return f"[{section}] has no key {key!r}; {meant}"


def line_of(text: str, section: str, key: str, number: int = 0) -> int | None:
    """Return the line (from 1) on which `key` of the `number`th table `section` stands, found by its looks.

    `tomllib` tells no lines of what it has read.
    """
    header = re.compile(rf"\s*\[+\s*{re.escape(section)}\s*\]+")
    assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
    tables = -1
    inside = False
    for line_number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = bool(header.match(line))
            tables += inside
        elif inside and tables == number and assignment.match(line):
            return line_number
    return None
