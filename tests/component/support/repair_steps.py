"""Steps of a repair, as a person takes them in the frontend."""

from typing import Any

from aiohttp.test_utils import TestClient
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.const import DOMAIN


class Repair:
    """The flow behind the button of one issue."""

    def __init__(self, client: TestClient[Any, Any], flow: dict[str, Any]) -> None:
        self._client = client
        self.shown = flow

    async def submit(self) -> dict[str, Any]:
        """Press the button of the form, and return what is shown then."""
        response = await self._client.post(f"/api/repairs/issues/fix/{self.shown['flow_id']}", json={})
        self.shown = await response.json()
        return self.shown


async def press_button(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry, key: str
) -> Repair:
    """Press the button of an issue about this entry."""
    assert await async_setup_component(hass, "repairs", {})
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    client = await hass_client()
    issue = {"handler": DOMAIN, "issue_id": f"{key}_{entry.entry_id}"}
    response = await client.post("/api/repairs/issues/fix", json=issue)
    assert response.status == 200, await response.text()
    return Repair(client, await response.json())
