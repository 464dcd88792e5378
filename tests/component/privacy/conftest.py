"""What the tests of the privacy switch share."""

from typing import Final

import pytest
from homeassistant.core import HomeAssistant

from custom_components.pi_mjpeg.streaming import placard
from tests.component.support.fake_pi import Pi

SWITCH: Final = "switch.front_door_privacy"
PATCH: Final = "PATCH /api/cameras/front"


async def make_private(hass: HomeAssistant, *, on: bool = True) -> None:
    """Turn the privacy switch of the front door on or off."""
    action = "turn_on" if on else "turn_off"
    await hass.services.async_call("switch", action, {"entity_id": SWITCH}, blocking=True)


@pytest.fixture
def off_picture() -> bytes:
    """The picture that says that the front door's camera is off."""
    return placard.draw_off("Front door", (1280, 720))


def asked(pi: Pi) -> list[str]:
    """Return what was asked of the Pi, other than its state."""
    return [request for request in pi.requests if request != "GET /api/state"]
