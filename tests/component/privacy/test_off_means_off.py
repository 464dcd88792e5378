"""While the switch is on, nobody in Home Assistant gets a picture, and the Pi is not asked for one."""

import asyncio
import io
import os
from pathlib import Path

import pytest
from aiohttp import web
from homeassistant.components.camera import async_get_image, async_get_stream_source
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from PIL import Image
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, IMAGE, LIVE, STILL, state_of, until
from tests.component.privacy.conftest import SWITCH, asked, make_private
from tests.component.support.fake_pi import Pi, example, jpeg, unavailable

BROWSER = {"Accept": "image/avif,image/webp,*/*;q=0.8"}

pytestmark = pytest.mark.usefixtures("loaded")


async def test_open_dashboards_show_that_it_is_off_within_a_second_and_the_live_picture_when_it_is_on_again(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, off_picture: bytes
) -> None:
    client = await hass_client()
    pi.show(jpeg(1))
    views = [await client.get(LIVE, headers=BROWSER), await client.get(LIVE)]
    for view in views:
        await view.content.readuntil(jpeg(1))
    await make_private(hass)
    async with asyncio.timeout(1):
        for view in views:
            await view.content.readuntil(off_picture)
    await until(lambda: pi.watching == 0)
    pi.show(jpeg(2))
    async with asyncio.timeout(2.5):
        seen = await views[0].content.readuntil(off_picture) + await views[0].content.readuntil(off_picture)
    assert jpeg(1) not in seen
    await make_private(hass, on=False)
    async with asyncio.timeout(3):
        for view in views:
            await view.content.readuntil(jpeg(2))
            view.close()


async def test_what_a_view_repeats_is_never_the_last_live_picture(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is busy draws late."""
    drawn = asyncio.Event()
    entity = hass.data[DATA_COMPONENT].get_entity(FRONT)

    async def draw_late() -> bytes:
        await drawn.wait()
        return jpeg(50)

    monkeypatch.setattr(entity, "_draw_off", draw_late)
    pi.show(jpeg(1))
    view = await (await hass_client()).get(LIVE)
    await view.content.readuntil(jpeg(1))
    await make_private(hass)
    await asyncio.sleep(2.2)
    drawn.set()
    seen = await view.content.readuntil(jpeg(50))
    assert jpeg(1) not in seen
    view.close()


async def test_a_dashboard_that_is_opened_later_shows_it_too(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, off_picture: bytes
) -> None:
    await make_private(hass)
    before = asked(pi)
    view = await (await hass_client()).get(LIVE)
    async with asyncio.timeout(1):
        await view.content.readuntil(off_picture)
    view.close()
    assert asked(pi) == before


@pytest.mark.parametrize("query", ["width=320&height=180", "width=320", "height=0", "width=20000&height=20000"])
async def test_a_still_for_a_dashboard_says_that_it_is_off(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, query: str
) -> None:
    await make_private(hass)
    before = asked(pi)
    response = await (await hass_client()).get(f"{STILL}?{query}")
    assert response.status == 200
    with Image.open(io.BytesIO(await response.read())) as image:
        assert image.width / image.height == pytest.approx(1280 / 720, rel=0.02)
        assert image.convert("L").getextrema() == (0, 255)
    assert asked(pi) == before


async def test_a_still_for_an_automation_is_refused_in_words(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, tmp_path: Path
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    await make_private(hass)
    before = asked(pi)
    path = str(tmp_path / "x.jpg")
    for domain, action, data in (
        ("camera", "snapshot", {"filename": path}),
        ("camera", "record", {"filename": str(tmp_path / "x.mp4"), "duration": 1}),
        ("camera", "play_stream", {"media_player": "media_player.x"}),
        ("pi_mjpeg", "take_snapshot", {}),
        ("pi_mjpeg", "take_snapshot", {"filename": path, "keep": False}),
    ):
        with pytest.raises(HomeAssistantError) as caught:
            await hass.services.async_call(domain, action, {"entity_id": FRONT, **data}, blocking=True)
        assert "Front door is off" in str(caught.value), action
    for ask in (async_get_image, async_get_stream_source):
        with pytest.raises(HomeAssistantError, match="Front door is off"):
            await ask(hass, FRONT)
    assert (await (await hass_client()).get(STILL)).status == 500
    assert asked(pi) == before
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the names are wanted


async def test_a_stream_of_stills_shows_that_it_is_off(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, off_picture: bytes
) -> None:
    view = await (await hass_client()).get(f"{LIVE}?interval=0.5")
    await view.content.readuntil(jpeg(7))
    await make_private(hass)
    async with asyncio.timeout(2):
        await view.content.readuntil(off_picture)
    view.close()


@pytest.mark.parametrize("query", ["", "?width=320&height=180"])
async def test_a_picture_that_was_on_its_way_is_not_shown(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator, query: str
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        asked.set()
        await answered.wait()
        return web.Response(body=jpeg(7), content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = slow
    request = asyncio.create_task((await hass_client()).get(STILL + query))
    await asked.wait()
    await make_private(hass)
    answered.set()
    response = await request
    assert jpeg(7) not in await response.read()


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"keep": False}, "/cameras/front/snapshot.jpg"),
        ({"keep": False, "full": True}, "/cameras/front/snapshot.jpg"),
        ({"keep": True}, "/api/cameras/front/snapshots"),
        ({"keep": True}, "/snapshots/front-20261122T100000000Z-9f3a61c2.jpg"),
    ],
)
async def test_an_action_that_was_under_way_writes_no_picture_and_links_to_none(
    hass: HomeAssistant, pi: Pi, tmp_path: Path, data: dict[str, bool], path: str
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        asked.set()
        await answered.wait()
        if path.startswith("/api/"):
            return web.Response(text=example("snapshot.json"), status=201, content_type="application/json")
        return web.Response(body=jpeg(7), content_type="image/jpeg")

    pi.answers[path] = slow
    call = {"entity_id": FRONT, "filename": f"{tmp_path}/a.jpg", "link": True, **data}
    action = asyncio.create_task(hass.services.async_call("pi_mjpeg", "take_snapshot", call, blocking=True))
    await asked.wait()
    await make_private(hass)
    answered.set()
    with pytest.raises(HomeAssistantError, match="is off"):
        await action
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_what_needs_pictures_is_unavailable_and_what_can_be_acted_on_is_not(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    entities = (
        "button.front_door_take_snapshot",
        "button.front_door_restart",
        "number.front_door_brightness",
    )
    await make_private(hass)
    assert {state_of(hass, entity_id) for entity_id in entities} == {"unavailable"}
    assert (state_of(hass, FRONT), state_of(hass, SWITCH)) == ("idle", "on")
    assert state_of(hass, "sensor.front_door_state") == "live"
    await loaded.runtime_data.async_refresh()
    assert state_of(hass, "sensor.front_door_state") == "off"
    assert state_of(hass, "binary_sensor.front_door_problem") == "off"
    assert (state_of(hass, FRONT), state_of(hass, SWITCH)) == ("idle", "on")
    await make_private(hass, on=False)
    await loaded.runtime_data.async_refresh()
    assert "unavailable" not in {state_of(hass, entity_id) for entity_id in entities}


async def test_the_last_snapshot_from_before_stays_and_no_new_one_comes(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    await hass.services.async_call("button", "press", {"entity_id": "button.front_door_take_snapshot"}, blocking=True)
    shown = state_of(hass, IMAGE)
    assert shown == "2026-11-22T10:00:00+00:00"

    async def broken(_: web.Request) -> web.StreamResponse:
        return unavailable()

    # The Pi does not hear of it, and somebody takes a snapshot there.
    pi.answers["/api/cameras/front"] = broken
    with pytest.raises(HomeAssistantError, match="works in Home Assistant, but not at the Pi"):
        await make_private(hass)
    pi.camera()["snapshot"].update(id="front-20261122T110000000Z-00000001", time="2026-11-22T11:00:00.000Z")
    await loaded.runtime_data.async_refresh()
    assert state_of(hass, IMAGE) == shown
    coordinator = loaded.runtime_data
    coordinator.snapshot_taken("front", (await coordinator.client.state()).cameras["front"].snapshot)
    assert state_of(hass, IMAGE) == shown
    pi.answers.clear()
    await loaded.runtime_data.async_refresh()
    await make_private(hass, on=False)
    await loaded.runtime_data.async_refresh()
    assert state_of(hass, IMAGE) == "2026-11-22T11:00:00+00:00"
