"""The promise of the README: a camera that announces itself is live in Home Assistant, with no hand work there."""

import pytest
from workbench.hass_client import until
from workbench.house import House

from tests.e2e.home_assistant_log import complaints
from tests.e2e.pictures import size

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_discovery_alone_makes_an_available_camera(house: House) -> None:
    assert house.camera.startswith("camera.")
    assert await house.client.state(house.camera) in {"idle", "streaming"}


async def test_live_pictures_come_through_home_assistant(house: House) -> None:
    frames = await house.client.frames(house.camera, 10)
    assert {size(frame) for frame in frames} == {(1280, 720)}
    assert len(set(frames)) > 5


async def test_a_snapshot_comes_through_home_assistant_and_is_a_new_one_each_time(house: House) -> None:
    first, second = await house.client.still(house.camera), await house.client.still(house.camera)
    assert size(first) == size(second) == (1280, 720)
    assert first != second


async def test_one_pi_is_one_device(house: House) -> None:
    """Once the component has claimed the server, Home Assistant's own MQTT entities for it are withdrawn."""

    async def only_ours() -> bool:
        entities = await house.client.command("config/entity_registry/list")
        return "mqtt" not in {entity["platform"] for entity in entities}

    assert await until(only_ours, "the MQTT integration has no entities of this server")


async def test_home_assistant_has_nothing_to_complain_about(house: House) -> None:
    assert complaints(house.home_assistant.log) == []
