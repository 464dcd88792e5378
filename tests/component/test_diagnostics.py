"""Diagnostics and system information hold the state of everything, and no private data."""

import json

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    get_system_health_info,
)
from pytest_homeassistant_custom_component.components.diagnostics import (  # type: ignore[import-untyped]  # likewise
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import poll
from tests.component.support.fake_pi import NODE, Pi


async def test_the_diagnostics_hold_the_state_and_no_private_data(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    pi.token = "very-secret"  # noqa: S105 - a test's
    hass.config_entries.async_update_entry(
        entry, data={"url": pi.url, "token": pi.token, "fingerprint": "ab" * 32}, options={"fps": 5}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await async_setup_component(hass, "diagnostics", {})
    await hass.async_block_till_done()
    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    private = dict.fromkeys(("url", "token", "fingerprint"), "**REDACTED**")
    assert told["entry"] == {"data": private, "options": {"fps": 5}}
    assert told["reachable"] is True
    assert abs(told["clock_offset"]) < 60
    front, shed = told["server"]["cameras"]
    assert (front["model"], front["telemetry"]["fps"]) == ("imx708", 29.9)
    assert front["controls"][0]["name"] == "Brightness"
    assert shed["telemetry"]["last_error"] == "/dev/video0 is not there: unplugged?"
    text = json.dumps(told)
    for name in ("very-secret", pi.url, NODE, "dc:a6:32", "Garden", "Front door", "Shed"):
        assert name not in text


async def test_the_system_information_counts(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    expected = {"servers": 1, "reachable": 1, "cameras": 2, "versions": "0.1.0"}
    assert await get_system_health_info(hass, DOMAIN) == expected
    await pi.stop()
    await poll(hass)
    assert await get_system_health_info(hass, DOMAIN) == {**expected, "reachable": 0}
    await hass.config_entries.async_unload(loaded.entry_id)
    assert await get_system_health_info(hass, DOMAIN) == {"servers": 1, "reachable": 0, "cameras": 0, "versions": "-"}
