"""Home Assistant starts while the Pi is away: the privacy switch works from the first moment."""

import asyncio

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, LIVE, access_token, state_of
from tests.component.privacy.conftest import PATCH, SWITCH, asked, make_private
from tests.component.support.fake_pi import Pi


@pytest.fixture
async def away(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> MockConfigEntry:
    """The entry, which was loaded before and is loaded now without an answer of the Pi."""
    assert await hass.config_entries.async_unload(loaded.entry_id)
    await pi.stop()
    pi.requests.clear()
    assert await hass.config_entries.async_setup(loaded.entry_id)
    await hass.async_block_till_done()
    return loaded


async def test_everything_is_there_and_only_privacy_and_connectivity_are_known(
    hass: HomeAssistant, away: MockConfigEntry, pi: Pi
) -> None:
    assert away.state is ConfigEntryState.LOADED
    known = {state.entity_id: state.state for state in hass.states.async_all() if state.state != "unavailable"}
    assert known == {
        SWITCH: "off",
        "switch.shed_privacy": "off",
        "binary_sensor.garden_pi_connectivity": "off",
    }
    await pi.start(pi.port)
    await away.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert state_of(hass, FRONT) == "streaming"
    assert state_of(hass, "binary_sensor.garden_pi_connectivity") == "on"
    assert state_of(hass, "number.front_door_brightness") != "unavailable"


@pytest.mark.parametrize("by", ["switch", "camera"])
async def test_a_wish_is_in_force_at_once_and_carried_to_the_pi_before_any_picture(
    hass: HomeAssistant, away: MockConfigEntry, pi: Pi, by: str, hass_client_no_auth: ClientSessionGenerator
) -> None:
    if by == "switch":
        await make_private(hass)
    else:
        await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
        await hass.async_block_till_done()
    assert (state_of(hass, SWITCH), state_of(hass, FRONT)) == ("on", "idle")
    client = await hass_client_no_auth()
    view = await client.get(LIVE, params={"token": access_token(hass)}, headers={"Accept": "image/*"})
    await pi.start(pi.port)
    await away.runtime_data.async_refresh()
    assert asked(pi) == [PATCH]
    assert pi.camera()["enabled"] is False
    view.close()


async def test_a_page_that_waits_gets_the_picture_when_the_pi_is_back(
    hass: HomeAssistant, away: MockConfigEntry, pi: Pi
) -> None:
    assert state_of(hass, FRONT) == "unavailable"
    before = hass.states.get(FRONT)
    await pi.start(pi.port)
    await away.runtime_data.async_refresh()
    await asyncio.sleep(0)
    assert before is not None
    assert "access_token" not in before.attributes
    assert access_token(hass)


async def test_with_a_token_that_is_refused_the_switch_works_too(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    assert await hass.config_entries.async_unload(loaded.entry_id)
    pi.token = "another"  # noqa: S105 - a test's
    assert await hass.config_entries.async_setup(loaded.entry_id)
    await hass.async_block_till_done()
    assert [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()] == ["reauth"]
    assert state_of(hass, SWITCH) == "off"
    await make_private(hass)
    assert state_of(hass, SWITCH) == "on"
