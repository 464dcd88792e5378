"""A notification with a snapshot."""

import json

import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant, ServiceCall
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import poll
from tests.component.support.blueprint_automation import move, notify_on_event
from tests.component.support.fake_pi import Pi, example, jpeg


async def test_each_notification_has_the_picture_of_its_trigger(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    hass_client_no_auth: ClientSessionGenerator,
    told: list[ServiceCall],
    sent: list[ServiceCall],
) -> None:
    await notify_on_event(hass, phones=[phone], entities=["notify.garden"])
    numbers = iter((21, 22))

    async def kept(_: web.Request) -> web.Response:
        return web.Response(body=jpeg(next(numbers)), content_type="image/jpeg")

    pi.answers[f"/snapshots/{json.loads(example('snapshot.json'))['id']}.jpg"] = kept
    await move(hass)
    await move(hass)
    assert "POST /api/cameras/front/snapshots" in pi.requests
    links = [call.data["data"]["image"] for call in told]
    assert len(set(links)) == 2
    client = await hass_client_no_auth()
    for _ in range(2):
        assert [await (await client.get(link)).read() for link in links] == [jpeg(21), jpeg(22)]
        await hass.config_entries.async_reload(loaded.entry_id)
    assert [call.data["message"] for call in told] == ["Something moved."] * 2
    assert [call.data["message"] for call in sent] == ["Something moved."] * 2
    assert sent[0].data["entity_id"] == ["notify.garden"]


@pytest.mark.parametrize("why", ["away", "unavailable"])
async def test_without_a_picture_the_notification_says_so(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    why: str,
    told: list[ServiceCall],
    further: list[ServiceCall],
) -> None:
    then = {"action": "test.further", "data": {"link": "{{ link }}", "text": "{{ text }}"}}
    await notify_on_event(hass, phones=[phone], further=[then])
    await pi.stop()
    if why == "unavailable":
        await poll(hass)
    await move(hass)
    (call,) = told
    assert call.data["message"] == "Something moved. There is no picture."
    assert "image" not in call.data["data"]
    assert further[0].data == {"link": "", "text": "Something moved. There is no picture."}
