"""A notification with a picture at once, and the film when it is ready."""

import asyncio
import io

import av
import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant, ServiceCall
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, poll, until
from tests.component.support.blueprint_automation import (
    CLIP,
    move,
    notify_on_event,
)
from tests.component.support.fake_pi import Pi, jpeg, unavailable


async def test_the_film_takes_the_place_of_the_picture_when_it_is_ready(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    hass_client_no_auth: ClientSessionGenerator,
    told: list[ServiceCall],
    sent: list[ServiceCall],
    further: list[ServiceCall],
) -> None:
    then = {"action": "test.further", "data": {"film": "{{ film }}", "link": "{{ link }}", "media": "{{ media }}"}}
    inputs = {"phones": [phone], "entities": ["notify.garden"], "before": 1, "after": 2, "further": [then]}
    await notify_on_event(hass, CLIP, **inputs)
    await move(hass)
    await move(hass)
    pictures = [call.data for call in told if "image" in call.data["data"]]
    films = [call.data for call in told if "video" in call.data["data"]]
    assert [call.data["message"] for call in told] == ["Something moved."] * 4
    assert [call.data["message"] for call in sent] == ["Something moved."] * 2
    # The film replaces the picture of its own trigger, and makes no sound again.
    tags = [picture["data"]["tag"] for picture in pictures]
    assert len(set(tags)) == 2
    assert [film["data"]["tag"] for film in films] == tags
    assert all(film["data"]["alert_once"] and film["data"]["push"] == {"sound": "none"} for film in films)
    assert [clip.document["before"] + clip.document["after"] for clip in pi.clips] == [3, 3]
    client = await hass_client_no_auth()
    assert len({film["data"]["video"] for film in films}) == 2
    for picture, film, done in zip(pictures, films, further, strict=True):
        assert await (await client.get(picture["data"]["image"])).read() == jpeg(7)
        response = await client.get(film["data"]["video"])
        assert (response.status, response.content_type) == (200, "video/mp4")
        whole = await response.read()
        with av.open(io.BytesIO(whole), "r") as opened:
            assert opened.streams.video[0].codec_context.name == "h264"
            assert len(list(opened.decode(video=0))) == 31
        # An iPhone plays no film without them.
        ranged = await client.get(film["data"]["video"], headers={"Range": "bytes=0-1"})
        assert (ranged.status, await ranged.read()) == (206, whole[:2])
        assert (done.data["film"], done.data["link"]) == (film["data"]["video"], picture["data"]["image"])
        assert done.data["media"].startswith("media-source://pi_mjpeg/")


async def test_the_picture_is_sent_while_the_clip_is_recorded(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    told: list[ServiceCall],
) -> None:
    recorded = asyncio.Event()

    async def record(_: web.Request) -> web.Response:
        await recorded.wait()
        return unavailable()

    pi.answers["/api/cameras/front/clips"] = record
    await notify_on_event(hass, CLIP, phones=[phone])
    hass.bus.async_fire("moved")
    await until(lambda: told)
    assert "image" in told[0].data["data"]
    recorded.set()
    await hass.async_block_till_done()
    # The clip failed. The picture stays.
    assert len(told) == 2
    assert told[1].data["message"] == "Something moved. There is no clip."
    assert told[1].data["data"]["image"] == told[0].data["data"]["image"]
    assert "video" not in told[1].data["data"]


@pytest.mark.parametrize("why", ["away", "unavailable", "off"])
async def test_without_picture_and_clip_the_notifications_say_so(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    why: str,
    told: list[ServiceCall],
) -> None:
    await notify_on_event(hass, CLIP, phones=[phone])
    if why == "off":
        await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
    else:
        await pi.stop()
    if why == "unavailable":
        await poll(hass)
    await move(hass)
    assert [call.data["message"] for call in told] == [
        "Something moved. There is no picture.",
        "Something moved. There is no picture. There is no clip.",
    ]
    assert not any({"image", "video"} & call.data["data"].keys() for call in told)


async def test_a_clip_without_a_picture_is_sent_nevertheless(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    told: list[ServiceCall],
) -> None:

    async def fail(_: web.Request) -> web.Response:
        return unavailable()

    pi.answers["/cameras/front/snapshot.jpg"] = fail
    await notify_on_event(hass, CLIP, phones=[phone])
    await move(hass)
    assert [call.data["message"] for call in told] == ["Something moved. There is no picture.", "Something moved."]
    assert "video" in told[1].data["data"]
