"""A token that the server does not take is sent to it once, and asked for at once."""

import asyncio

import pytest
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, LIVE, add_entry, poll, state_of, until
from tests.component.support.fake_pi import Pi, jpeg

OLD, NEW = "the-old-token", "the-new-token"


pytestmark = pytest.mark.usefixtures("short_hub_times")


@pytest.fixture
def entry(hass: HomeAssistant, pi: Pi) -> MockConfigEntry:
    """An entry for a Pi that wants a token."""
    pi.token = OLD
    return add_entry(hass, url=pi.url, token=OLD)


def reauth_flows(hass: HomeAssistant) -> list[str]:
    flows = hass.config_entries.flow.async_progress()
    return [flow["flow_id"] for flow in flows if flow["context"]["source"] == SOURCE_REAUTH]


def refused(pi: Pi) -> int:
    return sum(sent == f"Bearer {OLD}" for sent in pi.authorizations)


async def test_an_open_stream_asks_no_more_and_has_the_token_asked_for(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    client = await hass_client()
    response = await client.get(LIVE)
    await response.content.readuntil(jpeg(1))
    pi.token = NEW
    pi.authorizations.clear()
    pi.cut()
    await until(lambda: reauth_flows(hass))
    assert state_of(hass, FRONT) == "unavailable"
    for _ in range(3):
        await loaded.runtime_data.async_refresh()
        await client.get(f"/api/camera_proxy/{FRONT}")
        loaded.runtime_data.refresh_soon()
        await asyncio.sleep(0.3)
    assert refused(pi) == 1
    (flow,) = reauth_flows(hass)
    result = await hass.config_entries.flow.async_configure(flow, {"token": NEW})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert refused(pi) == 1
    assert state_of(hass, FRONT) in {"idle", "streaming"}
    response.close()
    new = await client.get(LIVE)
    await new.content.readuntil(jpeg(1))
    new.close()


@pytest.mark.parametrize("path", ["still", "action", "poll"])
async def test_any_other_request_does_the_same(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator, path: str
) -> None:
    pi.token = NEW
    pi.authorizations.clear()
    client = await hass_client()
    button = {"entity_id": "button.front_door_take_snapshot"}
    for _ in range(3):
        if path == "still":
            assert (await client.get(f"/api/camera_proxy/{FRONT}")).status == 500
        elif path == "poll":
            await poll(hass)
        elif state_of(hass, button["entity_id"]) != "unavailable":
            with pytest.raises(HomeAssistantError):
                await hass.services.async_call("button", "press", button, blocking=True)
        await hass.async_block_till_done()
    assert refused(pi) == 1
    assert len(reauth_flows(hass)) == 1
    assert state_of(hass, FRONT) == "unavailable"


async def test_a_wrong_token_at_the_start(hass: HomeAssistant, entry: MockConfigEntry, pi: Pi) -> None:
    pi.token = NEW
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert refused(pi) == 1
    assert len(reauth_flows(hass)) == 1
