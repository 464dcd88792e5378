"""What Home Assistant's log says against the component."""

import re
from pathlib import Path

# An entry begins with its time and level, and may go on for many lines.
_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \S+ (?P<level>[A-Z]+) .*?(?=^\d{4}-\d\d-\d\d |\Z)", re.DOTALL | re.MULTILINE)

# The component by its module, its file or its domain; not a checkout that happens to have its name.
_NAMES = re.compile(r"custom_components[./]pi_mjpeg|(?<![\w/.])pi_mjpeg\b(?!/)")

# Home Assistant says of every custom integration that it has not tested it.
_OF_ALL_CUSTOM = "[homeassistant.loader] We found a custom integration"


def complaints(log: Path) -> list[str]:
    """Return the log's warnings and errors that name the component anywhere, as in a traceback."""
    return [
        entry[0]
        for entry in _ENTRY.finditer(log.read_text())
        if entry["level"] in {"WARNING", "ERROR", "CRITICAL"}
        and _NAMES.search(entry[0])
        and _OF_ALL_CUSTOM not in entry[0]
    ]
