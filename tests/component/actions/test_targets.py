"""`pi_mjpeg.take_snapshot` does what it says for every camera of its target, or fails and says for which it did not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import label_registry as lr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, SHED, state_of
from tests.component.support.fake_pi import Pi

POST = "POST /api/cameras/front/snapshots"

pytestmark = pytest.mark.usefixtures("loaded")


@pytest.fixture
def placed(hass: HomeAssistant) -> dict[str, str]:
    """The front door's camera in an area of a floor, and with a label; return the ids."""
    floor = fr.async_get(hass).async_create("Ground")
    area = ar.async_get(hass).async_create("Hall", floor_id=floor.floor_id)
    label = lr.async_get(hass).async_create("Outside")
    device_id = er.async_get(hass).entities[FRONT].device_id
    assert device_id is not None
    dr.async_get(hass).async_update_device(device_id, area_id=area.id, labels={label.label_id})
    ids = {"device_id": device_id, "area_id": area.id, "floor_id": floor.floor_id, "label_id": label.label_id}
    assert all(ids.values())
    return {key: str(value) for key, value in ids.items()}


async def take(
    hass: HomeAssistant, target: Mapping[str, object], *, answer: bool = False, user: str | None = None
) -> list[str]:
    """Take snapshots, and return the ids in the answer."""
    context = Context(user_id=user) if user else None
    response = await hass.services.async_call(
        "pi_mjpeg", "take_snapshot", dict(target), blocking=True, return_response=answer, context=context
    )
    return list(response or [])


@pytest.mark.parametrize("kind", ["device_id", "area_id", "floor_id", "label_id"])
async def test_cameras_are_found_by_where_they_are(
    hass: HomeAssistant, placed: dict[str, str], pi: Pi, kind: str
) -> None:
    assert await take(hass, {kind: placed[kind]}, answer=True) == [FRONT]
    assert pi.requests.count(POST) == 1


async def test_a_group_is_all_its_cameras(hass: HomeAssistant, pi: Pi) -> None:
    group = {"cameras": {"name": "cameras", "entities": [FRONT, "light.hall", "camera.of_somebody_else"]}}
    assert await async_setup_component(hass, "group", {"group": group})
    await hass.async_block_till_done()
    assert await take(hass, {"entity_id": "group.cameras"}, answer=True) == [FRONT]


@pytest.mark.parametrize("answer", [True, False])
@pytest.mark.parametrize(
    ("target", "named"),
    [
        ({"entity_id": "camera.front_dor"}, "camera.front_dor"),
        ({"entity_id": [FRONT, "camera.nobody"]}, "camera.nobody"),
        ({"entity_id": "group.nobody"}, "group.nobody"),
        ({"entity_id": "image.front_door_last_snapshot"}, "image.front_door_last_snapshot"),
        ({"entity_id": [FRONT], "area_id": "nowhere"}, "area nowhere"),
        ({"device_id": "nothing"}, "device nothing"),
        ({"floor_id": "cellar"}, "floor cellar"),
        ({"label_id": "none_such"}, "label none_such"),
        ({"entity_id": "none"}, "no camera"),
        ({"entity_id": []}, "no camera"),
    ],
)
async def test_what_is_not_there_is_named_and_nothing_is_done(
    hass: HomeAssistant, pi: Pi, target: dict[str, Any], named: str, *, answer: bool
) -> None:
    with pytest.raises(ServiceValidationError, match=named):
        await take(hass, target, answer=answer)
    assert POST not in pi.requests


async def test_the_pi_itself_is_no_camera(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    with pytest.raises(ServiceValidationError, match="no camera"):
        await take(hass, {"device_id": loaded.runtime_data.server_device_id})


@pytest.mark.parametrize("answer", [True, False])
async def test_an_unavailable_camera_is_an_error(hass: HomeAssistant, *, answer: bool) -> None:
    assert state_of(hass, SHED) == "unavailable"
    with pytest.raises(HomeAssistantError, match=r"camera\.shed is unavailable"):
        await take(hass, {"entity_id": SHED}, answer=answer)


async def test_a_disabled_camera_is_an_error(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    er.async_get(hass).async_update_entity(FRONT, disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    with pytest.raises(ServiceValidationError, match=r"camera\.front_door"):
        await take(hass, {"entity_id": FRONT})


async def test_a_camera_whose_entry_is_not_loaded_is_an_error(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    assert await hass.config_entries.async_unload(loaded.entry_id)
    with pytest.raises(HomeAssistantError, match=r"camera\.front_door is unavailable"):
        await take(hass, {"entity_id": FRONT})


async def test_the_cameras_that_can_take_theirs_although_another_cannot(hass: HomeAssistant, pi: Pi) -> None:
    with pytest.raises(HomeAssistantError, match=r"camera\.shed is unavailable"):
        await take(hass, {"entity_id": "all"}, answer=True)
    assert pi.requests.count(POST) == 1


async def test_every_failure_is_named(hass: HomeAssistant, pi: Pi) -> None:
    await pi.stop()
    with pytest.raises(HomeAssistantError, match=r"Front door took no snapshot.*; camera\.shed is unavailable"):
        await take(hass, {"entity_id": [SHED, FRONT]})


async def test_who_may_not_control_the_camera_takes_no_snapshot(
    hass: HomeAssistant, pi: Pi, placed: dict[str, str]
) -> None:
    await hass.auth.async_create_user("Owner")
    reader = await hass.auth.async_create_user("Reader", group_ids=["system-read-only"])
    for target in ({"entity_id": FRONT}, {"area_id": placed["area_id"]}):
        with pytest.raises(Unauthorized):
            await take(hass, target, user=reader.id)
    with pytest.raises(ServiceValidationError):
        await take(hass, {"entity_id": "all"}, user=reader.id)
    assert POST not in pi.requests


async def test_a_script_stops_at_a_camera_that_is_unavailable(hass: HomeAssistant) -> None:
    sequence = [
        {"action": "pi_mjpeg.take_snapshot", "target": {"entity_id": SHED}},
        {"event": "went_on"},
    ]
    assert await async_setup_component(hass, "script", {"script": {"x": {"sequence": sequence}}})
    went_on: list[object] = []
    hass.bus.async_listen("went_on", went_on.append)
    with pytest.raises(HomeAssistantError, match=r"camera\.shed is unavailable"):
        await hass.services.async_call("script", "x", {}, blocking=True)
    await hass.async_block_till_done()
    assert went_on == []


async def test_over_rest_it_is_an_error_too(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, tmp_path: Path
) -> None:
    assert await async_setup_component(hass, "api", {})
    client = await hass_client()
    for query in ("", "?return_response"):
        for entity_id in (SHED, "camera.nobody"):
            answer = await client.post(f"/api/services/pi_mjpeg/take_snapshot{query}", json={"entity_id": entity_id})
            assert answer.status >= 400
