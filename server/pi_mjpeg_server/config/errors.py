"""Error messages about the configuration: where the mistake is, what is wrong, and what was probably meant."""

import difflib
import re
from collections.abc import Iterable


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names the place and the mistake."""


def unknown_key(section: str, key: str, known: Iterable[str]) -> str:
    """Return a message about an unknown key that suggests the most similar known one."""
    known = sorted(known)
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "known are: " + ", ".join(known)
    return f"[{section}] has no key {key!r}; {meant}"


def line_of(text: str, section: str, key: str, number: int = 0) -> int | None:
    """Return the number (from 1) of the line that sets `key` in table `section`, or None if it is not found.

    `number` (from 0) tells which table, where there are several of that name. The line is searched for in the text,
    because `tomllib` does not report line numbers of keys.
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
