"""The blueprints work in a real Home Assistant."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.blueprint.schemas import BLUEPRINT_SCHEMA
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)

from tests.component.conftest import FRONT
from tests.component.support.fake_pi import Pi, jpeg

FOLDER = Path(__file__).parents[2] / "blueprints/automation/pi_mjpeg"


async def automate(hass: HomeAssistant, name: str, inputs: Mapping[str, object]) -> None:
    """Make an automation of a blueprint."""
    target = Path(hass.config.path("blueprints/automation/pi_mjpeg"))

    def install() -> None:
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")

    await hass.async_add_executor_job(install)
    config = {"automation": {"use_blueprint": {"path": f"pi_mjpeg/{name}", "input": inputs}}}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    assert len(hass.states.async_entity_ids("automation")) == 1


@pytest.fixture(autouse=True)
def _own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.config_dir = str(tmp_path)


def test_they_are_blueprints() -> None:
    files = list(FOLDER.glob("*.yaml"))
    assert len(files) == 2
    for file in files:
        blueprint = Blueprint(load_yaml_dict(file), expected_domain="automation", schema=BLUEPRINT_SCHEMA)
        assert blueprint.validate() is None
        assert str(blueprint.metadata["source_url"]).endswith(f"blueprints/automation/pi_mjpeg/{file.name}")


async def test_a_trigger_takes_a_snapshot_and_tells_somebody(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "phone")
    inputs = {
        "trigger": [{"trigger": "event", "event_type": "moved"}],
        "camera": FRONT,
        "image": "image.front_door_last_snapshot",
        "notification": "notify.phone",
    }
    await automate(hass, "snapshot_and_notify.yaml", inputs)
    hass.bus.async_fire("moved")
    await hass.async_block_till_done()
    assert pi.requests[-1] == "POST /api/cameras/front/snapshots"
    image = hass.states.get("image.front_door_last_snapshot")
    assert image is not None
    (call,) = told
    assert call.data["message"] == "Something moved."
    token = image.attributes["access_token"]
    assert call.data["data"]["image"] == f"/api/image_proxy/image.front_door_last_snapshot?token={token}"


async def test_a_time_lapse_writes_a_picture_each_time(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path
) -> None:
    pictures = tmp_path / "time-lapse"
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    await automate(hass, "time_lapse.yaml", {"camera": FRONT, "folder": str(pictures), "minutes": "/1"})
    async_fire_time_changed(hass, dt_util.utcnow().replace(second=0, microsecond=1000) + timedelta(minutes=1))
    await hass.async_block_till_done(wait_background_tasks=True)
    lapse = hass.states.async_entity_ids("automation")
    await hass.services.async_call("automation", "turn_off", {"entity_id": lapse}, blocking=True)
    written = await hass.async_add_executor_job(lambda: list(pictures.iterdir()))
    assert [file.suffix for file in written] == [".jpg"]
    assert await hass.async_add_executor_job(written[0].read_bytes) == jpeg(7)
