"""Steps of the config flow: how it begins, and what a person answers."""

import json
from ipaddress import ip_address
from typing import Any

from homeassistant.config_entries import SOURCE_MQTT, SOURCE_USER, SOURCE_ZEROCONF, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.support.fake_pi import NODE

NOWHERE = "http://127.0.0.1:9"
"""An address on which nothing listens."""

TOPIC = f"pi_mjpeg/discovery/{NODE}/config"


async def by_address(hass: HomeAssistant, url: str | None = None) -> ConfigFlowResult:
    data = None if url is None else {"url": url}
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER}, data=data)


async def by_announcement(hass: HomeAssistant, payload: dict[str, Any] | str, topic: str = TOPIC) -> ConfigFlowResult:
    message = MqttServiceInfo(
        topic=topic,
        payload=payload if isinstance(payload, str) else json.dumps(payload),
        qos=1,
        retain=True,
        subscribed_topic="pi_mjpeg/discovery/+/config",
        timestamp=0,
    )
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_MQTT}, data=message)


async def by_multicast(
    hass: HomeAssistant, port: int, *, address: str | None = None, **changed: str | None
) -> ConfigFlowResult:
    ip = ip_address(address or "127.0.0.1")
    found = ZeroconfServiceInfo(
        ip_address=ip,
        ip_addresses=[ip],
        port=port,
        hostname=f"pi-mjpeg-{NODE}.local.",
        type="_pi-mjpeg._tcp.local.",
        name=f"{NODE}._pi-mjpeg._tcp.local.",
        properties={"id": NODE, "name": "Garden Pi", "auth": "none", "scheme": "http", "version": "0.1.0", **changed},
    )
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=found)


async def submit(hass: HomeAssistant, flow: ConfigFlowResult, **fields: str) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_configure(flow["flow_id"], fields)


def flows(hass: HomeAssistant) -> list[str]:
    """Return the titles of the flows in progress."""
    return [
        flow["context"]["title_placeholders"]["name"]
        for flow in hass.config_entries.flow.async_progress()
        if "title_placeholders" in flow["context"]
    ]


async def add(hass: HomeAssistant, form: ConfigFlowResult) -> ConfigFlowResult:
    """Confirm the server that the form shows."""
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "confirm")
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    return result
