"""Warnings and errors about the component in Home Assistant's log."""

import re
from pathlib import Path

# An entry starts with its time and level and may have many lines.
_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \S+ (?P<level>[A-Z]+) .*?(?=^\d{4}-\d\d-\d\d |\Z)", re.DOTALL | re.MULTILINE)

# The component's module, file or domain, but not a checkout folder of the same name.
_NAMES = re.compile(r"custom_components[./]pi_mjpeg|(?<![\w/.])pi_mjpeg\b(?!/)")

# Home Assistant warns about every custom integration.
_CUSTOM_INTEGRATION_WARNING = "[homeassistant.loader] We found a custom integration"


def component_warnings(log: Path) -> list[str]:
    """Return the warnings and errors that name the component anywhere, for example in a traceback."""
    return [
        entry[0]
        for entry in _ENTRY.finditer(log.read_text())
        if entry["level"] in {"WARNING", "ERROR", "CRITICAL"}
        and _NAMES.search(entry[0])
        and _CUSTOM_INTEGRATION_WARNING not in entry[0]
    ]
