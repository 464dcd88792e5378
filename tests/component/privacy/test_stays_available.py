"""Whoever turns a camera off or on, its entity is not unavailable in between, which is what alerts wait for.

Nor does its URL change, for which every open dashboard would load the picture anew.
"""

import pytest
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from tests.component.conftest import FRONT, access_token, state_of, until
from tests.component.privacy.conftest import SWITCH, make_private
from tests.component.support.fake_pi import Pi


@pytest.fixture
def seen(hass: HomeAssistant, loaded: MockConfigEntry) -> list[str]:
    """The states that the camera's entity gets."""
    states: list[str] = []

    @callback
    def on_change(event: Event[EventStateChangedData]) -> None:
        if event.data["entity_id"] == FRONT and event.data["new_state"] is not None:
            states.append(event.data["new_state"].state)

    hass.bus.async_listen("state_changed", on_change)
    return states


async def test_when_the_switch_is_turned_here(hass: HomeAssistant, loaded: MockConfigEntry, seen: list[str]) -> None:
    token = access_token(hass)
    await make_private(hass)
    await loaded.runtime_data.async_refresh()
    await make_private(hass, on=False)
    await loaded.runtime_data.async_refresh()
    assert state_of(hass, SWITCH) == "off"
    assert "unavailable" not in seen
    assert access_token(hass) == token


async def test_when_it_is_turned_at_the_pi(
    hass: HomeAssistant, loaded: MockConfigEntry, seen: list[str], pi: Pi
) -> None:
    token = access_token(hass)
    coordinator = loaded.runtime_data
    for enabled, switch in ((False, "on"), (True, "off")):
        pi.turn(enabled=enabled)
        # The Pi tells this first, and after it that the camera is off.
        coordinator.camera_availability_changed("front", available=enabled, remembered=False)
        await until(lambda switch=switch: state_of(hass, SWITCH) == switch)  # type: ignore[misc]  # mypy infers no default
    assert "unavailable" not in seen
    assert access_token(hass) == token


async def test_a_pi_that_goes_away_while_its_camera_is_turned_on_is_said(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    await make_private(hass)
    await loaded.runtime_data.async_refresh()
    await pi.stop()
    await make_private(hass, on=False)
    await loaded.runtime_data.async_refresh()
    assert (state_of(hass, SWITCH), state_of(hass, FRONT)) == ("off", "unavailable")
