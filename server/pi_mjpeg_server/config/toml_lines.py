"""Where each key of a TOML document is: `tomllib` does not report line numbers of keys."""

import tomllib
from collections.abc import Mapping
from typing import Any

Key = tuple[str, int, str]
"""A section, which of its tables (from 0), and a key in it; the key is empty for the table itself.

A key of a table in the section has the names of both, such as "motion.enabled" for [camera.motion].
"""


def key_lines(text: str) -> Mapping[Key, int]:
    """Return the line (from 1) on which each table and each key of the first two levels is set.

    `text` has to be valid TOML, with LF as the line end. Each statement of TOML is valid by itself, so the text is
    taken apart by parsing: as many lines as make the next valid statement.
    """
    found: dict[Key, int] = {}
    tables: dict[str, int] = {}
    header: list[str] = []
    lines = text.split("\n")
    begin = 0
    while begin < len(lines):
        statement, end = _statement(lines, begin)
        if lines[begin].lstrip().startswith("["):
            header = _path(statement)
            section, *more = header
            if more:
                found.setdefault((section, tables.get(section, 0), more[0]), begin + 1)
            else:
                tables[section] = tables.get(section, -1) + 1
                found.setdefault((section, tables[section], ""), begin + 1)
        elif statement:
            for section, number, key in _keys(header, statement, tables):
                found.setdefault((section, number, key), begin + 1)
        begin = end
    return found


def _statement(lines: list[str], begin: int) -> tuple[dict[str, Any], int]:
    """Return the statement that begins on a line, parsed, and the line after it. A value may take several lines."""
    for end in range(begin + 1, len(lines) + 1):
        try:
            return tomllib.loads("\n".join(lines[begin:end])), end
        except tomllib.TOMLDecodeError:
            continue
    return {}, begin + 1


def _path(statement: Mapping[str, Any]) -> list[str]:
    """Return the names in a header, such as ["camera", "controls"] of [camera.controls]."""
    path = []
    inside: Any = statement
    while inside:
        inside = inside[0] if isinstance(inside, list) else inside
        for name in inside:
            path.append(name)
            inside = inside[name]
    return path


def _keys(header: list[str], statement: Mapping[str, Any], tables: Mapping[str, int]) -> list[Key]:
    """Return the keys that a statement below a header sets."""
    if len(header) > 1:
        section, *inner = header
        return [(section, tables.get(section, 0), ".".join([*inner, key])) for key in statement]
    if header:
        return [(header[0], tables[header[0]], key) for key in statement]
    keys: list[Key] = []
    for section, value in statement.items():
        for number, table in enumerate(value if isinstance(value, list) else [value]):
            keys += [
                (section, number, ""),
                *((section, number, key) for key in (table if isinstance(table, dict) else ())),
            ]
        keys.append((section, 0, ""))
    return keys
