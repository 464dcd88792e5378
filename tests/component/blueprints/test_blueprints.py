"""Every blueprint can be used, and is triggered by what it names."""

import pytest
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.blueprint.schemas import BLUEPRINT_SCHEMA
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from tests.component.conftest import FRONT
from tests.component.support.blueprint_automation import CLIP, FOLDER, SNAPSHOT, automate


def test_they_are_blueprints() -> None:
    files = list(FOLDER.glob("*.yaml"))
    assert len(files) == 3
    for file in files:
        blueprint = Blueprint(load_yaml_dict(file), expected_domain="automation", schema=BLUEPRINT_SCHEMA)
        assert blueprint.validate() is None
        assert str(blueprint.metadata["source_url"]).endswith(f"blueprints/automation/pi_mjpeg/{file.name}")


@pytest.mark.parametrize(("name", "count"), [(SNAPSHOT, 1), (CLIP, 2)])
async def test_the_cameras_own_motion_is_a_trigger_only_if_the_conditions_hold(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    phone: str,
    name: str,
    count: int,
    told: list[ServiceCall],
) -> None:
    nobody_home = {"condition": "numeric_state", "entity_id": "zone.home", "below": 1}
    motion = "binary_sensor.front_door_motion"
    inputs = {"motion": [motion], "camera": FRONT, "phones": [phone], "only_if": [nobody_home]}
    await automate(hass, name, inputs)
    for persons, before, triggered in (("1", "off", 0), ("0", "off", 1), ("0", "unavailable", 1)):
        hass.states.async_set("zone.home", persons)
        hass.states.async_set(motion, before)
        await hass.async_block_till_done()
        hass.states.async_set(motion, "on")
        await hass.async_block_till_done()
        assert len(told) == triggered * count
