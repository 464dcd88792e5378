"""Phones and notifications for the blueprints."""

from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_mock_service,
)

from tests.component.support.blueprint_automation import PHONE


@pytest.fixture(autouse=True)
def _own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.config_dir = str(tmp_path)


@pytest.fixture
def phone(hass: HomeAssistant) -> str:
    """The device of a phone with Home Assistant's app, which its owner has given another name."""
    entry = MockConfigEntry(domain="mobile_app")
    entry.add_to_hass(hass)
    devices = dr.async_get(hass)
    device = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("mobile_app", "1")}, name=PHONE)
    devices.async_update_device(device.id, name_by_user="Renamed")
    return device.id


@pytest.fixture
def told(hass: HomeAssistant) -> list[ServiceCall]:
    """The notifications on the phone."""
    calls: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    return calls


@pytest.fixture
def sent(hass: HomeAssistant) -> list[ServiceCall]:
    """The messages to notify entities."""
    calls: list[ServiceCall] = async_mock_service(hass, "notify", "send_message")
    return calls


@pytest.fixture
def further(hass: HomeAssistant) -> list[ServiceCall]:
    """The calls of the actions that a user adds."""
    calls: list[ServiceCall] = async_mock_service(hass, "test", "further")
    return calls
