"""How a server gets into Home Assistant: by its address, or found over MQTT or by multicast DNS."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_MQTT,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import callback
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from yarl import URL

from .api.access import Access
from .api.documents import DocumentError, parse_announcement, parse_zeroconf
from .api.models import DiscoveredServer, Server
from .api.validators import escape_markdown
from .const import DOMAIN, LOGGER
from .flows.address_change import moved
from .flows.options import PiMjpegOptionsFlow
from .flows.server_probe import UNAUTHORISED, UNTRUSTED, ProbeError, fingerprint_at, picture_of, server_at, url_of

_URL = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
_TOKEN = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_USER_SCHEMA = vol.Schema({vol.Required(CONF_URL): _URL})
_TOKEN_SCHEMA = vol.Schema({vol.Required(CONF_TOKEN): _TOKEN})
_RECONFIGURE_SCHEMA = vol.Schema({vol.Required(CONF_URL): _URL, vol.Optional(CONF_TOKEN): _TOKEN})

type _Ask = Callable[[ProbeError | None], ConfigFlowResult]
"""Shows the form from which a server was asked, with what is wrong with it."""


class PiMjpegConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a server once it answered with the node id that it is to have, and a person saw its picture.

    Nothing is sent to an address that a stranger on the network named before a person confirmed it. The token goes only
    to an address that a person confirmed or typed, or to whoever has the certificate that a person accepted.
    """

    VERSION = 1

    _ask: _Ask
    """The form from which the server was asked."""

    def __init__(self) -> None:
        self._found: DiscoveredServer | None = None
        self._entry: ConfigEntry | None = None
        self._access = Access(URL())
        self._reason = ""
        self._shown: str | None = None
        self._server: Server | None = None

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        return PiMjpegOptionsFlow()

    @override
    async def async_step_user(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address, and show what is wrong with it until it is right."""

        def ask(error: ProbeError | None) -> ConfigFlowResult:
            return self._form("user", _USER_SCHEMA, user_input, {CONF_URL: error.key} if error else {})

        if user_input is None:
            return ask(None)
        try:
            access = Access(url_of(user_input[CONF_URL]))
        except ProbeError as error:
            return ask(error)
        return await self._contact(access, ask)

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
        self._drop_older_flow(announcement.id)
        return await self._discovered(DiscoveredServer(announcement.id, announcement.name, announcement.base_url))

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Take what a server tells the local network: likewise."""
        try:
            discovered = parse_zeroconf(discovery_info.host, discovery_info.port, discovery_info.properties)
        except DocumentError as error:
            LOGGER.debug("Ignored the service %s: %s", ascii(discovery_info.name[:100]), error)
            return self.async_abort(reason="invalid_announcement")
        return await self._discovered(discovered)

    async def _discovered(self, discovered: DiscoveredServer) -> ConfigFlowResult:
        entry = await self.async_set_unique_id(discovered.id)
        if entry is not None:
            return await self._known(entry, discovered)
        self._found = discovered
        self.context["title_placeholders"] = {"name": discovered.name}
        return await self.async_step_discovery_confirm()

    async def _known(self, entry: ConfigEntry, discovered: DiscoveredServer) -> ConfigFlowResult:
        try:
            access = await moved(self.hass, entry, discovered)
        except ProbeError as error:
            return self.async_abort(reason=error.key)
        if access is None:
            return self.async_abort(reason="already_configured")
        return self.async_update_reload_and_abort(entry, data=access.data(), reason="already_configured")

    async def async_step_discovery_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the server that was found may be contacted."""
        found = self._found
        assert found is not None  # noqa: S101 - only a discovery leads here

        def ask(error: ProbeError | None) -> ConfigFlowResult:
            name, url = escape_markdown(found.name), escape_markdown(str(found.url))
            return self._form("discovery_confirm", None, None, _errors(error), name=name, url=url)

        return ask(None) if user_input is None else await self._contact(Access(found.url), ask)

    async def async_step_token(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the token of a server that wants one."""

        def ask(error: ProbeError | None) -> ConfigFlowResult:
            url = escape_markdown(str(self._access.url))
            return self._form("token", _TOKEN_SCHEMA, None, _errors(error), url=url)

        if user_input is None:
            return ask(None)
        return await self._contact(replace(self._access, token=user_input[CONF_TOKEN].strip()), ask)

    async def async_step_certificate(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Show the fingerprint of a certificate that is not trusted, and ask whether it is the server's."""
        if user_input is not None:
            return await self._contact(replace(self._access, fingerprint=self._shown), self._ask)
        access = self._access
        try:
            self._shown = await fingerprint_at(self.hass, access.url)
        except ProbeError as error:
            return self._ask(error)
        if access.fingerprint is None and self._entry and self._shown == Access.of(self._entry.data).fingerprint:
            # The same certificate was accepted before.
            return await self._contact(replace(access, fingerprint=self._shown), self._ask)
        return self._form(
            "certificate",
            None,
            None,
            {"base": "certificate_changed"} if access.fingerprint else {},
            url=escape_markdown(str(access.url)),
            reason=escape_markdown(self._reason),
            fingerprint=bytes.fromhex(self._shown).hex(":").upper(),
        )

    async def _contact(self, access: Access, ask: _Ask) -> ConfigFlowResult:
        """Ask the server who it is, and go on with it; when something is wrong with what was entered, `ask` again."""
        self._access, self._ask = access, ask
        node = self._entry.unique_id if self._entry else self._found.id if self._found else None
        try:
            self._server = await server_at(self.hass, access, node)
        except ProbeError as error:
            if error.key == UNTRUSTED:
                self._reason = str(error)
                return await self.async_step_certificate()
            if error.key == UNAUTHORISED and access.token is None and self._entry is None:
                return await self.async_step_token()
            return ask(error)
        if self._entry is not None:
            return self.async_update_reload_and_abort(self._entry, data=access.data())
        return await self._identified(self._server)

    async def _identified(self, server: Server) -> ConfigFlowResult:
        """Show a server that is new; one that has an entry is at another address now."""
        known = await self.async_set_unique_id(server.id, raise_on_progress=False)
        if known is None or known.source == SOURCE_IGNORE:
            return await self.async_step_confirm()
        token = self._access.token or known.data.get(CONF_TOKEN)
        data = replace(self._access, token=token).data()
        return self.async_update_reload_and_abort(
            known, data=data, reason="already_configured", reload_even_if_entry_is_unchanged=False
        )

    async def async_step_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Show the server's cameras and a picture of the first that gives one, and ask whether they are to be added."""
        server = self._server
        assert server is not None  # noqa: S101 - only _identified leads here
        if user_input is not None:
            return self.async_create_entry(title=server.name, data=self._access.data())
        picture = await picture_of(self.hass, self._access, server)
        return self._form(
            "confirm",
            None,
            None,
            {} if picture else {"base": "no_picture"},
            name=escape_markdown(server.name),
            cameras=escape_markdown(", ".join(camera.name for camera in server.cameras.values()) or "-"),
            picture=picture,
        )

    async def async_step_reconfigure(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address, and for another token."""
        self._entry = entry = self._get_reconfigure_entry()

        def ask(error: ProbeError | None) -> ConfigFlowResult:
            shown = user_input or {CONF_URL: entry.data[CONF_URL]}
            return self._form("reconfigure", _RECONFIGURE_SCHEMA, shown, _errors(error))

        if user_input is None:
            return ask(None)
        token = user_input.get(CONF_TOKEN, "").strip() or entry.data.get(CONF_TOKEN)
        try:
            access = Access(url_of(user_input[CONF_URL]), token)
        except ProbeError as error:
            return ask(error)
        return await self._contact(access, ask)

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:  # noqa: ARG002 - Home Assistant's signature
        """Begin to ask for a token, because the server no longer takes the one it had."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the token that the server takes now."""
        self._entry = entry = self._get_reauth_entry()

        def ask(error: ProbeError | None) -> ConfigFlowResult:
            name, url = escape_markdown(entry.title), escape_markdown(entry.data[CONF_URL])
            return self._form("reauth_confirm", _TOKEN_SCHEMA, None, _errors(error), name=name, url=url)

        if user_input is None:
            return ask(None)
        return await self._contact(Access(URL(entry.data[CONF_URL]), user_input[CONF_TOKEN].strip()), ask)

    def _form(
        self,
        step: str,
        schema: vol.Schema | None,
        suggested: Mapping[str, Any] | None,
        errors: dict[str, str],
        **placeholders: str,
    ) -> ConfigFlowResult:
        # A token is never suggested: a form is shown to whoever looks at the screen.
        shown = {key: value for key, value in (suggested or {}).items() if key != CONF_TOKEN}
        return self.async_show_form(
            step_id=step,
            data_schema=schema and self.add_suggested_values_to_schema(schema, shown),  # type: ignore[arg-type]  # at run time, voluptuous is a name of probatio
            errors=errors,
            description_placeholders=placeholders,
        )

    @callback
    def _drop_older_flow(self, node: str) -> None:
        """End the flow that an older announcement of this node began: what it says is no longer true."""
        for flow in self._async_in_progress(include_uninitialized=True):
            context = flow["context"]
            if context.get("source") == SOURCE_MQTT and context.get("unique_id") == node:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])


def _errors(error: ProbeError | None) -> dict[str, str]:
    return {error.field: error.key} if error else {}
