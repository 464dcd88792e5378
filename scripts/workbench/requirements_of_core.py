"""Print what the integrations that a house with a camera runs require; runs in an environment with Home Assistant.

`hass` would install the same while it starts; installed beforehand, it starts at once and asks the network for
nothing.
"""

import json
from pathlib import Path

from homeassistant import bootstrap, components

_HERE = Path(components.__path__[0])

# stream: `camera.record`. hassio: its client library, which MQTT's config flow imports whether or not it is used.
_WANTED = {"camera", "mqtt", "onboarding", "stream"}


def requirements() -> set[str]:
    """Return the requirements of all integrations that are set up, and of all that they depend on."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = _WANTED | bootstrap.CORE_INTEGRATIONS | bootstrap.DEFAULT_INTEGRATIONS
    while waiting - seen:
        domain = (waiting - seen).pop()
        seen.add(domain)
        manifest = json.loads((_HERE / domain / "manifest.json").read_text())
        found.update(manifest.get("requirements", []))
        waiting.update(manifest.get("dependencies", []))
    hassio = json.loads((_HERE / "hassio/manifest.json").read_text())
    return found | set(hassio["requirements"])


if __name__ == "__main__":
    print("\n".join(sorted(requirements())))
