"""What Home Assistant's log says against the component."""

import re
from pathlib import Path

# Home Assistant says of every custom integration that it has not tested it.
_OF_ALL_CUSTOM = "[homeassistant.loader] We found a custom integration"


def complaints(log: Path, *levels: str) -> list[str]:
    """Return the log's entries of these levels that name the component, wherever they name it, as in a traceback."""
    # An entry begins with its date, and may go on for many lines.
    entries = re.split(r"^(?=\d{4}-\d\d-\d\d )", log.read_text(), flags=re.MULTILINE)
    return [
        entry
        for entry in entries
        if "pi_mjpeg" in entry
        and entry.split(" ")[2:3]
        and entry.split(" ")[2] in levels
        and _OF_ALL_CUSTOM not in entry
    ]
