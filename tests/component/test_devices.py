"""Devices follow what the server says of itself, and a camera that became another is reported."""

import copy
from collections.abc import Callable

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import FRONT, issues, poll
from tests.component.support.fake_pi import NODE, Pi


def device(hass: HomeAssistant, entry: MockConfigEntry, identifier: str = NODE) -> dr.DeviceEntry:
    found = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, identifier), entry.entry_id)
    assert found is not None
    return found


def friendly_name(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None
    return str(state.attributes["friendly_name"])


async def test_the_pi_was_updated_and_renamed(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    pi.state["server"] |= {"name": "Shed Pi", "version": "9.9.9", "model": "Raspberry Pi 5"}
    pi.camera()["name"] = "Back door"
    await poll(hass)
    server = device(hass, loaded)
    assert (server.name, server.sw_version, server.model) == ("Shed Pi", "9.9.9", "Raspberry Pi 5")
    assert loaded.title == "Shed Pi"
    assert friendly_name(hass, FRONT) == "Back door"
    assert friendly_name(hass, "binary_sensor.garden_pi_connectivity") == "Shed Pi Connectivity"
    assert issues(hass, loaded) == {}


async def test_what_happened_while_home_assistant_was_off(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    assert await hass.config_entries.async_unload(loaded.entry_id)
    pi.state["server"]["name"] = "Shed Pi"
    pi.camera()["name"] = "Back door"
    assert await hass.config_entries.async_setup(loaded.entry_id)
    await hass.async_block_till_done()
    assert (loaded.title, device(hass, loaded).name) == ("Shed Pi", "Shed Pi")
    assert device(hass, loaded, f"{NODE}_front").name == "Back door"


async def test_a_name_that_a_person_chose_stays(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    hass.config_entries.async_update_entry(loaded, title="Mine")
    dr.async_get(hass).async_update_device(device(hass, loaded, f"{NODE}_front").id, name_by_user="My door")
    pi.state["server"]["name"] = "Shed Pi"
    pi.camera()["name"] = "Back door"
    await poll(hass)
    assert loaded.title == "Mine"
    assert friendly_name(hass, FRONT) == "My door"
    assert device(hass, loaded).name == "Shed Pi"


async def test_a_camera_that_is_not_open_keeps_its_model(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    pi.camera()["model"] = None
    await poll(hass)
    assert device(hass, loaded, f"{NODE}_front").model == "imx708"
    assert issues(hass, loaded) == {}


def swap(pi: Pi) -> None:
    front, shed = pi.camera(), pi.camera("shed")
    front["id"], shed["id"] = shed["id"], front["id"]


def insert(pi: Pi) -> None:
    pi.state["cameras"].append({**copy.deepcopy(pi.camera()), "id": "third"})
    pi.camera()["name"] = "Attic"


def remove(pi: Pi) -> None:
    pi.state["cameras"] = [{**pi.camera("shed"), "id": "front"}]


def swap_models(pi: Pi) -> None:
    pi.camera()["model"] = "HD Pro Webcam C920"


@pytest.mark.parametrize(
    ("change", "cameras"),
    [
        (swap, "Front door -> Shed, Shed -> Front door"),
        (insert, "Front door -> Attic"),
        (remove, "Front door -> Shed"),
        (swap_models, "Front door: imx708 -> HD Pro Webcam C920"),
    ],
)
@pytest.mark.parametrize("when", ["running", "unloaded"])
async def test_a_camera_that_became_another_is_reported(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, change: Callable[[Pi], None], cameras: str, when: str
) -> None:
    if when == "unloaded":
        await hass.config_entries.async_unload(loaded.entry_id)
    change(pi)
    if when == "running":
        await poll(hass)
    else:
        await hass.config_entries.async_setup(loaded.entry_id)
        await hass.async_block_till_done()
    found = issues(hass, loaded)["cameras_changed"]
    assert found is not None
    assert found["cameras"].replace("\\", "") == cameras
    await poll(hass)
    assert "cameras_changed" in issues(hass, loaded)
    assert ir.async_get(hass).issues[DOMAIN, f"cameras_changed_{loaded.entry_id}"].is_persistent
    # The name is that of the picture.
    assert friendly_name(hass, FRONT) == pi.camera()["name"]
    await hass.config_entries.async_remove(loaded.entry_id)
    assert issues(hass, loaded) == {}


async def test_a_real_camera_in_place_of_the_emulated_one_is_no_surprise(
    hass: HomeAssistant, entry: MockConfigEntry, pi: Pi
) -> None:
    pi.camera()["model"] = "Emulated camera"
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    pi.camera()["model"] = "imx708"
    await poll(hass)
    assert issues(hass, entry) == {}
    assert device(hass, entry, f"{NODE}_front").model == "imx708"
