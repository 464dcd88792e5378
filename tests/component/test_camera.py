"""The camera entity: stills that are as fresh as promised, live pictures, and errors that automations can see."""

import asyncio
from pathlib import Path

import pytest
from homeassistant.components.camera import async_get_image
from homeassistant.components.camera.const import CameraEntityFeature
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, LIVE, until
from tests.component.support.fake_pi import Pi, jpeg

pytestmark = pytest.mark.usefixtures("loaded")


def stills(pi: Pi) -> list[str]:
    """Return the requests for stills that the Pi got."""
    return [request for request in pi.requests if "snapshot.jpg" in request]


async def test_a_dashboard_gets_the_picture_as_it_comes(pi: Pi, hass_client: ClientSessionGenerator) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(LIVE)
    assert response.status == 200
    assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    await response.content.readuntil(jpeg(1))
    pi.show(jpeg(2))
    async with asyncio.timeout(0.8):
        await response.content.readuntil(jpeg(2))
    response.close()


async def test_all_dashboards_share_one_stream(pi: Pi, hass_client: ClientSessionGenerator) -> None:
    pi.show(jpeg(1))
    client = await hass_client()
    responses = [await client.get(LIVE) for _ in range(5)]
    for response in responses:
        await response.content.readuntil(jpeg(1))
    assert (pi.streams, pi.watching) == (1, 1)
    for response in responses:
        response.close()


async def test_a_dashboard_on_a_pi_that_cannot_stream_stays_open(pi: Pi, hass_client: ClientSessionGenerator) -> None:
    pi.stalled = True
    response = await (await hass_client()).get(LIVE)
    assert response.status == 200
    pi.stalled = False
    pi.show(jpeg(3))
    await response.content.readuntil(jpeg(3))
    response.close()


async def test_the_entry_is_unloaded_under_a_dashboard(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(LIVE)
    await response.content.readuntil(jpeg(1))
    assert await hass.config_entries.async_unload(loaded.entry_id)
    async with asyncio.timeout(3):
        await response.content.read()
    await until(lambda: pi.watching == 0)
    assert [task for task in asyncio.all_tasks() if "pi_mjpeg" in task.get_name()] == []


async def test_a_still_without_a_size_is_always_a_new_one(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(LIVE)
    await response.content.readuntil(jpeg(1))
    assert (await async_get_image(hass, FRONT)).content == jpeg(7)
    assert stills(pi) == ["GET /cameras/front/snapshot.jpg"]
    response.close()


async def test_a_thumbnail_is_the_live_picture_while_somebody_watches(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(LIVE)
    await response.content.readuntil(jpeg(1))
    assert (await async_get_image(hass, FRONT, width=320)).content == jpeg(1)
    assert stills(pi) == []
    response.close()


async def test_a_live_picture_that_is_two_seconds_old_is_no_thumbnail(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(LIVE)
    await response.content.readuntil(jpeg(1))
    await asyncio.sleep(2.1)
    assert (await async_get_image(hass, FRONT, width=320)).content == jpeg(7)
    response.close()


async def test_without_viewers_a_thumbnail_is_requested_in_its_size(hass: HomeAssistant, pi: Pi) -> None:
    await async_get_image(hass, FRONT, width=320)
    assert stills(pi) == ["GET /cameras/front/snapshot.jpg?width=320&max_age=2000"]
    assert pi.streams == 0


async def test_the_snapshot_action_saves_a_new_picture(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    target = tmp_path / "door.jpg"
    data = {"entity_id": FRONT, "filename": str(target)}
    await hass.services.async_call("camera", "snapshot", data, blocking=True)
    assert target.read_bytes() == jpeg(7)


async def test_a_failure_of_the_snapshot_action_is_raised(hass: HomeAssistant, pi: Pi, tmp_path: Path) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    await pi.stop()
    data = {"entity_id": FRONT, "filename": str(tmp_path / "door.jpg")}
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("camera", "snapshot", data, blocking=True)
    assert caught.value.translation_key == "picture_failed"
    assert caught.value.translation_placeholders is not None
    assert caught.value.translation_placeholders["camera"] == "Front door"


async def test_dashboards_are_not_offered_hls(hass: HomeAssistant) -> None:
    state = hass.states.get(FRONT)
    assert state is not None
    assert state.attributes["supported_features"] == CameraEntityFeature.ON_OFF


async def test_home_assistant_stops_at_once_although_somebody_watches(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(LIVE)
    await response.content.readuntil(jpeg(1))
    async with asyncio.timeout(1):
        await hass.async_stop(force=True)
        await response.content.read()
