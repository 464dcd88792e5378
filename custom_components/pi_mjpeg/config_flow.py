"""How a server gets into Home Assistant: by its address, or found over MQTT."""

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import SOURCE_MQTT, ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_URL
from homeassistant.core import callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from yarl import URL

from .client import (
    CannotConnectError,
    PiMjpegClient,
    PiMjpegError,
    RefusedError,
    UnauthorisedError,
)
from .const import DOMAIN, LOGGER
from .documents import DocumentError, parse_announcement
from .models import Announcement, Server
from .validators import base_url, escape_markdown

_USER_SCHEMA = vol.Schema({vol.Required(CONF_URL): TextSelector(TextSelectorConfig(type=TextSelectorType.URL))})


class _FlowError(Exception):
    """A server that cannot be added; `key` names the reason in the translations."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class PiMjpegConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a server once it answered with the node id that it is to have."""

    VERSION = 1

    def __init__(self) -> None:
        self._announcement: Announcement | None = None

    @override
    async def async_step_user(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address, and show what is wrong with it until it is right."""
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                url = _url_of(user_input[CONF_URL])
                server = await self._server_at(url)
            except _FlowError as error:
                errors[CONF_URL] = error.key
            else:
                await self.async_set_unique_id(server.id, raise_on_progress=False)
                self._abort_if_unique_id_configured(updates={CONF_URL: str(url)})
                return self.async_create_entry(title=server.name, data={CONF_URL: str(url)})
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                _USER_SCHEMA,  # type: ignore[arg-type]  # at run time, voluptuous is a name of probatio
                user_input,
            ),
            errors=errors,
        )

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """Take an announcement: of a new server, or of a known one, which may have moved."""
        topic = discovery_info.topic
        if not discovery_info.payload:
            self._drop_older_flow(topic.split("/")[-2])
            return self.async_abort(reason="announcement_withdrawn")
        try:
            announcement = parse_announcement(topic, discovery_info.payload)
        except DocumentError as error:
            LOGGER.warning("Ignored the announcement on %s: %s", topic, error)
            return self.async_abort(reason="invalid_announcement")
        if announcement.auth != "none":
            return self.async_abort(reason="token_unsupported")

        self._drop_older_flow(announcement.id)
        url = announcement.base_url
        entry = await self.async_set_unique_id(announcement.id)
        if entry is not None and entry.data.get(CONF_URL) not in (None, str(url)):
            try:
                await self._server_at(url, announcement.id)
            except _FlowError as error:
                return self.async_abort(reason=error.key)
        self._abort_if_unique_id_configured(updates={CONF_URL: str(url)})

        self._announcement = announcement
        self.context["title_placeholders"] = {"name": announcement.name}
        return await self.async_step_discovery_confirm()

    async def async_step_discovery_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the server that was found is to be added."""
        announcement = self._announcement
        assert announcement is not None  # noqa: S101 - only async_step_mqtt leads here
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                await self._server_at(announcement.base_url, announcement.id)
            except _FlowError as error:
                errors["base"] = error.key
            else:
                return self.async_create_entry(title=announcement.name, data={CONF_URL: str(announcement.base_url)})
        return self.async_show_form(
            step_id="discovery_confirm",
            description_placeholders={
                "name": escape_markdown(announcement.name),
                "url": escape_markdown(str(announcement.base_url)),
                "cameras": escape_markdown(", ".join(camera.name for camera in announcement.cameras) or "-"),
            },
            errors=errors,
        )

    async def _server_at(self, url: URL, node: str | None = None) -> Server:
        """Ask the server at `url` who it is; `node` is who it has to be. Raises `_FlowError`."""
        try:
            server = await PiMjpegClient(async_get_clientsession(self.hass), url).state()
        except PiMjpegError as error:
            LOGGER.debug("No pi-mjpeg server at %s: %s", url, error)
            match error:
                case CannotConnectError():
                    key = "cannot_connect"
                case UnauthorisedError():
                    key = "token_unsupported"
                case RefusedError():
                    key = "refused"
                case _:
                    key = "invalid_response"
            raise _FlowError(key) from error
        if server.auth != "none":
            raise _FlowError("token_unsupported")
        if node not in (None, server.id):
            raise _FlowError("wrong_server")
        return server

    @callback
    def _drop_older_flow(self, node: str) -> None:
        """End the flow that an older announcement of this node began: what it says is no longer true."""
        for flow in self._async_in_progress(include_uninitialized=True):
            context = flow["context"]
            if context.get("source") == SOURCE_MQTT and context.get("unique_id") == node:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])


def _url_of(typed: str) -> URL:
    """Return the address that a person meant. Raises `_FlowError`."""
    address = typed.strip()
    try:
        return base_url(address if "://" in address else f"http://{address}")
    except vol.Invalid as error:
        raise _FlowError("invalid_url") from error
