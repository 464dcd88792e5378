"""A request for a picture of a camera that is being loaded is no failed login, for which addresses are banned."""

from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest
from aiohttp import web
from homeassistant.components.http import ban
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, access_token
from tests.component.support.fake_pi import Pi, jpeg

IMAGE = "image.front_door_last_snapshot"
PATHS = (
    f"/api/camera_proxy/{FRONT}",
    f"/api/camera_proxy_stream/{FRONT}",
    f"/api/image_proxy/{IMAGE}",
    f"/api/image_proxy_stream/{IMAGE}",
)


@pytest.fixture(autouse=True)
async def failed_logins(hass: HomeAssistant) -> AsyncIterator[list[str]]:
    """Home Assistant bans addresses, and these paths would have counted."""
    found: list[str] = []

    async def note(request: web.Request) -> None:
        found.append(request.path)

    with patch.object(ban, "process_wrong_login", note):
        assert await async_setup_component(hass, "http", {"http": {"ip_ban_enabled": True}})
        yield found


@pytest.mark.parametrize("path", PATHS)
async def test_a_former_url_of_an_entity_that_is_not_loaded_is_no_failed_login(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    hass_client_no_auth: ClientSessionGenerator,
    hass_client: ClientSessionGenerator,
    path: str,
    failed_logins: list[str],
) -> None:
    stranger, user = await hass_client_no_auth(), await hass_client()
    former = {"token": access_token(hass)}
    assert await hass.config_entries.async_unload(loaded.entry_id)
    assert (await stranger.get(path, params=former)).status == 403
    assert (await stranger.get(path)).status == 403
    assert failed_logins == []
    assert (await user.get(path)).status == 404
    # Who signs in with a wrong password is still counted.
    assert (await stranger.get(path, headers={"Authorization": "Bearer guessed"})).status == 401
    assert failed_logins == [path]


async def test_a_renamed_camera_has_its_new_url(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    er.async_get(hass).async_update_entity(FRONT, new_entity_id="camera.gate")
    await hass.async_block_till_done()
    assert await hass.config_entries.async_unload(loaded.entry_id)
    # The web server of the tests takes no route once it runs.
    client = await hass_client_no_auth()
    assert (await client.get("/api/camera_proxy/camera.gate")).status == 403


async def test_pictures_come_as_before(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    pi.show(jpeg(1))
    answer = await client.get(PATHS[0], params={"token": access_token(hass)})
    assert (answer.status, await answer.read()) == (200, jpeg(7))
    live = await client.get(PATHS[1], params={"token": access_token(hass)})
    await live.content.readuntil(jpeg(1))
    live.close()
    assert (await client.head(PATHS[0])).status == 405
    await hass.services.async_call("button", "press", {"entity_id": "button.front_door_take_snapshot"}, blocking=True)
    state = hass.states.get(IMAGE)
    assert state is not None
    url = state.attributes["entity_picture"]
    assert await (await client.get(url)).read() == jpeg(8)
    assert (await client.head(url)).status == 200
