"""Discovery: a server that announces itself becomes a live camera in Home Assistant."""

import pytest
from tooling.hass_client import until
from tooling.stack import Stack

from tests.e2e.home_assistant_log import component_warnings
from tests.e2e.pictures import size

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_discovery_alone_makes_an_available_camera(stack: Stack) -> None:
    assert stack.camera.startswith("camera.")
    assert await stack.client.state(stack.camera) in {"idle", "streaming"}


async def test_home_assistant_proxies_live_pictures(stack: Stack) -> None:
    frames = await stack.client.frames(stack.camera, 10)
    assert {size(frame) for frame in frames} == {(1280, 720)}
    assert len(set(frames)) > 5


async def test_home_assistant_proxies_a_new_snapshot_each_time(stack: Stack) -> None:
    first, second = await stack.client.still(stack.camera), await stack.client.still(stack.camera)
    assert size(first) == size(second) == (1280, 720)
    assert first != second


async def test_a_claimed_server_is_one_device(stack: Stack) -> None:
    """Once the component has claimed the server, Home Assistant's own MQTT entities for it are withdrawn."""

    async def only_ours() -> bool:
        entities = await stack.client.command("config/entity_registry/list")
        return "mqtt" not in {entity["platform"] for entity in entities}

    assert await until(only_ours, "the MQTT integration has no entities of this server")


async def test_home_assistant_logs_no_warning(stack: Stack) -> None:
    assert component_warnings(stack.home_assistant.log) == []
