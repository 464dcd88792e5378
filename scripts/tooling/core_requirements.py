"""Print the requirements of the integrations that the demo uses. Runs in an environment with Home Assistant.

`hass` would install the same packages while it starts. Installed in advance, it starts at once and needs no network.
"""

import json
from pathlib import Path

from homeassistant import bootstrap, components

_COMPONENTS = Path(components.__path__[0])

# `camera.record` needs stream. MQTT's config flow imports the client library of hassio, whether or not it is used.
_INTEGRATIONS = {"camera", "mqtt", "onboarding", "stream"}


def requirements() -> set[str]:
    """Return the requirements of these integrations and of all their dependencies."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = _INTEGRATIONS | bootstrap.CORE_INTEGRATIONS | bootstrap.DEFAULT_INTEGRATIONS
    while waiting - seen:
        domain = (waiting - seen).pop()
        seen.add(domain)
        manifest = json.loads((_COMPONENTS / domain / "manifest.json").read_text())
        found.update(manifest.get("requirements", []))
        waiting.update(manifest.get("dependencies", []))
    hassio = json.loads((_COMPONENTS / "hassio/manifest.json").read_text())
    return found | set(hassio["requirements"])


if __name__ == "__main__":
    print("\n".join(sorted(requirements())))
