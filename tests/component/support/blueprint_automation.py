"""Automations of the blueprints, and their calls."""

from collections.abc import Mapping
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from tests.component.conftest import FRONT

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "blueprints/automation/pi_mjpeg"

PHONE = "My phone"
SNAPSHOT = "snapshot_and_notify.yaml"
CLIP = "clip_and_notify.yaml"
TIME_LAPSE = "time_lapse.yaml"


async def automate(hass: HomeAssistant, name: str, inputs: Mapping[str, object], *others: object) -> None:
    """Make an automation of a blueprint, and others."""
    target = Path(hass.config.path("blueprints/automation/pi_mjpeg"))

    def install() -> None:
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")

    await hass.async_add_executor_job(install)
    config = {"automation": [{"use_blueprint": {"path": f"pi_mjpeg/{name}", "input": inputs}}, *others]}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    assert len(hass.states.async_entity_ids("automation")) == 1 + len(others)


async def stop_automation(hass: HomeAssistant) -> None:
    """Turn the automation off, which ends its timers."""
    entity_ids = hass.states.async_entity_ids("automation")
    await hass.services.async_call("automation", "turn_off", {"entity_id": entity_ids}, blocking=True)


async def notify_on_event(hass: HomeAssistant, name: str = SNAPSHOT, **inputs: object) -> None:
    """Make an automation of a blueprint that the event `moved` triggers."""
    trigger = [{"trigger": "event", "event_type": "moved"}]
    await automate(hass, name, {"trigger": trigger, "camera": FRONT, **inputs})


async def move(hass: HomeAssistant) -> None:
    """Fire the event, and wait until the automation has run."""
    hass.bus.async_fire("moved")
    await hass.async_block_till_done()
