"""A dashboard whose view broke off gets a new URL until it is back; one that still sees pictures is left in peace."""

import asyncio

import pytest
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg import camera as camera_module
from custom_components.pi_mjpeg.camera import PiMjpegCamera
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.conftest import FRONT, LIVE, access_token, until
from tests.component.support.fake_pi import Pi, jpeg

IMG = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hub.__init__, "__kwdefaults__", {"linger": 0.2, "retry": 0.1, "gap": 1.5})


def hub_of(hass: HomeAssistant) -> Hub:
    entity = hass.data[DATA_COMPONENT].get_entity(FRONT)
    assert isinstance(entity, PiMjpegCamera)
    return entity.hub


async def ask_again(entry: MockConfigEntry) -> None:
    """Have the server asked for its state, as it is every 30 seconds."""
    await entry.runtime_data.async_refresh()


async def test_a_view_that_was_lost_in_a_gap_is_called_back_until_it_is_back(
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
    await until(lambda: hub.awaited == 1)
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


async def test_pages_that_were_closed_are_not_called_for_ever(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    hub = hub_of(hass)
    hub.awaited = 1
    seen = set()
    for _ in range(camera_module.CALLS + 3):
        await ask_again(loaded)
        seen.add(access_token(hass))
    assert len(seen) == camera_module.CALLS
    assert hub.awaited == 0


async def test_other_dashboards_change_over_in_the_same_moment(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    """A browser has six connections: those that wait for the new view must not be held by the old ones."""
    client = await hass_client()
    pi.show(jpeg(1))
    old = await client.get(LIVE, headers=IMG)
    await old.content.readuntil(jpeg(1))
    hub_of(hass).awaited = 1
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
