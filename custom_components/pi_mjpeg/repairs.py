"""The flows behind the buttons of repair issues."""

from homeassistant.components.repairs import RepairsFlow
from homeassistant.core import HomeAssistant
from yarl import URL

from .flows.issues import DATA_ENTRY, DATA_URL
from .flows.repair_flows import AddressRepairFlow, CertificateRepairFlow, EntryGoneFlow


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,  # noqa: ARG001 - Home Assistant's signature
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow for an issue, by the data with which it was reported."""
    data = data or {}
    entry = hass.config_entries.async_get_entry(str(data.get(DATA_ENTRY)))
    if entry is None:
        return EntryGoneFlow()
    url = data.get(DATA_URL)
    return CertificateRepairFlow(entry) if url is None else AddressRepairFlow(entry, URL(str(url)))
