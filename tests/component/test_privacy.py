"""A camera that is turned off gives nobody in Home Assistant a picture, also after a reload."""

import asyncio

import pytest
from homeassistant.components.camera import async_get_stream_source
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, LIVE, access_token, until
from tests.component.support.fake_pi import Pi, jpeg


async def turn(hass: HomeAssistant, *, on: bool) -> None:
    action = "turn_on" if on else "turn_off"
    await hass.services.async_call("camera", action, {"entity_id": FRONT}, blocking=True)


async def test_turning_off_disconnects_all_viewers_and_refuses_new_ones(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    pi.show(jpeg(1))
    response = await client.get(LIVE)
    await response.content.readuntil(jpeg(1))
    await turn(hass, on=False)
    async with asyncio.timeout(3):
        await response.content.read()
    await until(lambda: pi.watching == 0)
    before = list(pi.requests)
    assert (await client.get(LIVE)).status == 503
    assert (await client.get(f"/api/camera_proxy/{FRONT}")).status == 503
    for domain, action, data in (
        ("camera", "snapshot", {"filename": "/media/x.jpg"}),
        ("pi_mjpeg", "take_snapshot", {}),
    ):
        with pytest.raises(HomeAssistantError):
            await hass.services.async_call(domain, action, {"entity_id": FRONT, **data}, blocking=True)
    with pytest.raises(HomeAssistantError):
        await async_get_stream_source(hass, FRONT)
    assert pi.requests == before
    old = access_token(hass)
    await turn(hass, on=True)
    assert access_token(hass) != old
    response = await client.get(LIVE)
    await response.content.readuntil(jpeg(1))
    response.close()


async def test_it_stays_off_after_a_reload(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    await turn(hass, on=False)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    client = await hass_client()
    assert (await client.get(LIVE)).status == 503
    await turn(hass, on=True)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    response = await client.get(LIVE)
    assert response.status == 200
    response.close()
