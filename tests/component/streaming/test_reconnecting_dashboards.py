"""A dashboard that lost its view gets a new URL until it returns. Others keep their view."""

import asyncio

import pytest
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
from custom_components.pi_mjpeg.streaming.lost_dashboards import MAX_RECALLS
from tests.component.conftest import FRONT, LIVE, access_token, until
from tests.component.support.fake_pi import Pi, jpeg

IMG = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hub.__init__, "__kwdefaults__", {"linger": 0.2, "retry_delay": 0.1, "gap_timeout": 1.5})


def entity_of(hass: HomeAssistant) -> PiMjpegCamera:
    entity = hass.data[DATA_COMPONENT].get_entity(FRONT)
    assert isinstance(entity, PiMjpegCamera)
    return entity


def hub_of(hass: HomeAssistant) -> Hub:
    return entity_of(hass).hub


async def ask_again(entry: MockConfigEntry) -> None:
    """Have the server asked for its state, as it is every 30 seconds."""
    await entry.runtime_data.async_refresh()


async def test_a_view_that_was_lost_in_a_gap_is_recalled_until_it_returns(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    pi.show(jpeg(1))
    lost, kept = await client.get(LIVE, headers=IMG), await client.get(LIVE)
    await lost.content.readuntil(jpeg(1))
    await kept.content.readuntil(jpeg(1))
    pi.stalled = True
    hub = hub_of(hass)
    await until(lambda: hub.in_gap)
    before = access_token(hass)
    lost.close()
    await until(lambda: hub.lost_dashboards.count == 1)
    assert access_token(hass) == before
    pi.stalled = False
    pi.show(jpeg(2))
    await until(lambda: access_token(hass) != before)
    await kept.content.readuntil(jpeg(2))
    first = access_token(hass)
    await ask_again(loaded)
    assert access_token(hass) != first
    back = await client.get(LIVE, headers=IMG)
    await back.content.readuntil(jpeg(2))
    healed = access_token(hass)
    await ask_again(loaded)
    assert access_token(hass) == healed
    back.close()
    kept.close()


async def test_closed_pages_are_not_recalled_for_ever(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    hub = hub_of(hass)
    hub.lost_dashboards.add()
    seen = set()
    for _ in range(MAX_RECALLS + 3):
        await ask_again(loaded)
        seen.add(access_token(hass))
    assert len(seen) == MAX_RECALLS
    assert hub.lost_dashboards.count == 0


async def test_other_dashboards_change_over_in_the_same_moment(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    """A browser has six connections: those that wait for the new view must not be held by the old ones."""
    client = await hass_client()
    pi.show(jpeg(1))
    old = await client.get(LIVE, headers=IMG)
    await old.content.readuntil(jpeg(1))
    hub_of(hass).lost_dashboards.add()
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
    entity.hub.lost_dashboards.add()
    before = entity.access_tokens[-1]
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
