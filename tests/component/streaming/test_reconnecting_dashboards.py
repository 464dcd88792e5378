"""A dashboard that lost its view gets a new URL once."""

import asyncio

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import Event, EventStateChangedData, HomeAssistant
from homeassistant.helpers.event import async_track_state_change_event
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.camera import PiMjpegCamera
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.conftest import FRONT, LIVE, access_token, until
from tests.component.support.fake_pi import Pi, jpeg

IMG = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


pytestmark = pytest.mark.usefixtures("short_hub_times")


def entity_of(hass: HomeAssistant) -> PiMjpegCamera:
    entity = hass.data[DATA_COMPONENT].get_entity(FRONT)
    assert isinstance(entity, PiMjpegCamera)
    return entity


def hub_of(hass: HomeAssistant) -> Hub:
    return entity_of(hass).hub


async def ask_again(entry: MockConfigEntry) -> None:
    """Have the server asked for its state, as it is every 30 seconds."""
    await entry.runtime_data.async_refresh()


async def watch(hass: HomeAssistant, client: TestClient[web.Request, web.Application]) -> ClientResponse:
    """Open the live picture as a dashboard does, with the token that is valid now."""
    return await client.get(LIVE, params={"token": access_token(hass)}, headers=IMG)


async def test_a_view_that_was_lost_in_a_gap_is_recalled_once(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    pi.show(jpeg(1))
    lost, other = await watch(hass, client), await watch(hass, client)
    await lost.content.readuntil(jpeg(1))
    await other.content.readuntil(jpeg(1))
    pi.stalled = True
    hub = hub_of(hass)
    await until(lambda: hub.is_stalled)
    before = access_token(hass)
    lost.close()
    await until(lambda: hub.viewers == 1)
    assert access_token(hass) == before
    pi.stalled = False
    pi.show(jpeg(2))
    await until(lambda: access_token(hass) != before)
    async with asyncio.timeout(3):
        await other.content.read()
    recalled = access_token(hass)
    for _ in range(5):
        await ask_again(loaded)
    # The page may have been closed: nobody else is disturbed again.
    assert access_token(hass) == recalled


async def test_who_changes_over_to_a_new_url_in_a_gap_has_lost_nothing(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    pi.show(jpeg(1))
    old = await watch(hass, client)
    await old.content.readuntil(jpeg(1))
    pi.stalled = True
    hub = hub_of(hass)
    await until(lambda: hub.is_stalled)
    pi.camera()["available"] = False
    await ask_again(loaded)
    pi.camera()["available"] = True
    await ask_again(loaded)
    token = access_token(hass)
    new = await watch(hass, client)
    await new.content.readuntil(b"\r\n")
    old.close()
    await until(lambda: hub.viewers == 1)
    pi.stalled = False
    pi.show(jpeg(2))
    await new.content.readuntil(jpeg(2))
    await ask_again(loaded)
    assert access_token(hass) == token
    new.close()


async def test_a_new_url_from_home_assistant_is_one_for_those_who_lost_the_view_too(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    """Home Assistant changes all tokens every five minutes."""
    entity = entity_of(hass)
    entity.hub.dashboard_recall.dashboard_lost(entity.access_tokens[-1])
    entity.async_update_token()
    before = entity.access_tokens[-1]
    await ask_again(loaded)
    assert entity.access_tokens[-1] == before


async def test_other_dashboards_change_over_in_the_same_moment(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    """A browser has six connections: those that wait for the new view must not be held by the old ones."""
    client = await hass_client()
    pi.show(jpeg(1))
    old = await client.get(LIVE, headers=IMG)
    await old.content.readuntil(jpeg(1))
    hub_of(hass).dashboard_recall.dashboard_lost(access_token(hass))
    await ask_again(loaded)
    async with asyncio.timeout(3):
        await old.content.read()


async def test_available_again_is_never_said_with_the_old_url(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    before = access_token(hass)
    await ask_again(loaded)
    assert access_token(hass) == before
    pi.camera()["available"] = False
    await ask_again(loaded)
    pi.camera()["available"] = True
    await ask_again(loaded)
    assert access_token(hass) != before


async def test_one_update_changes_the_url_once_and_the_one_before_stays_valid(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    """Home Assistant keeps two tokens: a second change would end the views of all other dashboards."""
    pi.camera()["available"] = False
    await ask_again(loaded)
    entity = entity_of(hass)
    before = entity.access_tokens[-1]
    entity.hub.dashboard_recall.dashboard_lost(before)
    written: list[Event[EventStateChangedData]] = []
    async_track_state_change_event(hass, FRONT, written.append)
    pi.camera()["available"] = True
    await ask_again(loaded)
    await hass.async_block_till_done()
    assert entity.access_tokens[-1] != before
    assert before in entity.access_tokens
    assert len(written) == 1


async def test_a_drawn_picture_of_a_gap_is_no_thumbnail(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    pi.stalled = True
    response = await client.get(LIVE)
    hub = hub_of(hass)
    await until(lambda: hub.latest is not None and hub.latest.drawn)
    still = await client.get(f"/api/camera_proxy/{FRONT}?width=320&height=180")
    assert await still.read() == jpeg(7)
    response.close()
