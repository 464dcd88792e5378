"""Repair issues are shown, and withdrawn once they are resolved."""

from email.utils import formatdate
from time import time

import pytest
from aiohttp import web
from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import issues, poll
from tests.component.support.fake_pi import NODE, Pi


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_clock_that_is_wrong(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hours: int) -> None:
    assert issues(hass, loaded) == {}

    async def late(_: web.Request) -> web.StreamResponse:
        return web.json_response(pi.state, headers={"Date": formatdate(time() + hours * 3600, usegmt=True)})

    pi.answers["/api/state"] = late
    await poll(hass)
    assert issues(hass, loaded) == {"clock_wrong": {"name": "Garden Pi", "minutes": "180"}}
    del pi.answers["/api/state"]
    await poll(hass)
    assert issues(hass, loaded) == {}


async def test_a_clock_that_is_not_told_is_not_wrong(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        return web.json_response(pi.state, headers={"Date": "yesterday"})

    pi.answers["/api/state"] = silent
    await poll(hass)
    assert issues(hass, loaded) == {}


@pytest.mark.parametrize(
    ("schema", "key"),
    [(0, "server_too_old"), (None, "server_too_old"), (2, "integration_too_old"), ("2", "server_too_old")],
)
async def test_one_of_the_two_is_too_old(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, schema: object, key: str
) -> None:
    pi.state["schema"] = schema
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert issues(hass, entry) == {key: {"name": "Garden Pi"}}
    pi.state["schema"] = 1
    await poll(hass)
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass, entry) == {}


async def test_the_same_pi_shown_by_mqtt_as_well(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    broker = MockConfigEntry(domain=mqtt.DOMAIN)
    broker.add_to_hass(hass)
    devices = dr.async_get(hass)
    other = devices.async_get_or_create(config_entry_id=broker.entry_id, identifiers={("mqtt", "pi_mjpeg_another")})
    await poll(hass)
    assert issues(hass, loaded) == {}
    twin = devices.async_get_or_create(config_entry_id=broker.entry_id, identifiers={("mqtt", f"pi_mjpeg_{NODE}")})
    assert twin.id != other.id
    await poll(hass)
    assert issues(hass, loaded) == {"shown_twice": {"name": "Garden Pi"}}
    devices.async_remove_device(twin.id)
    await poll(hass)
    assert issues(hass, loaded) == {}


async def test_nothing_is_left_of_an_entry_that_is_removed(hass: HomeAssistant, pi: Pi, entry: MockConfigEntry) -> None:
    pi.state["schema"] = 2
    await hass.config_entries.async_setup(entry.entry_id)
    assert issues(hass, entry) != {}
    await hass.config_entries.async_remove(entry.entry_id)
    assert [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN] == []
