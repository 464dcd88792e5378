"""Adds a server: by its address, or found over MQTT or by multicast DNS."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
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
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from yarl import URL

from .api.access import Access
from .api.documents import DocumentError, announced_server, parse_announcement, parse_zeroconf
from .api.models import DiscoveredServer, Server
from .api.validators import escape_markdown
from .const import DOMAIN, LOGGER
from .coordinator import PiMjpegConfigEntry
from .flows.address_change import UnprovenError, async_follow_address, async_follow_typed_address
from .flows.discovery_limits import async_is_room_for_card, async_warn_of_announcement
from .flows.forms import RECONFIGURE_SCHEMA, TOKEN_SCHEMA, USER_SCHEMA
from .flows.options import PiMjpegOptionsFlow
from .flows.server_probe import (
    UNAUTHORISED,
    UNTRUSTED,
    ProbeError,
    async_fetch_fingerprint,
    async_fetch_picture,
    async_fetch_server,
    async_first_answering,
    parse_url,
    shown_fingerprint,
)


class PiMjpegConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a server once it has answered with the expected node id and a person has seen its picture.

    Nothing is sent to an address that a stranger on the network named before a person has confirmed it, except the
    question by which a known server proves that it is there. The token goes only to an address that a person confirmed
    or typed for this very server, and to one at which it has proved itself.
    """

    VERSION = 1

    def __init__(self) -> None:
        self._discovered: DiscoveredServer | None = None
        self._entry: ConfigEntry | None = None
        """The entry that is reconfigured or authenticated again."""
        self._access = Access(URL())
        self._server: Server | None = None
        self._step = ""
        """The step whose form was sent last; it is shown again when the server cannot be asked."""
        self._input: Mapping[str, Any] = {}
        """What was entered in it."""
        self._reason = ""
        """Why the certificate is not trusted."""
        self._fingerprint: str | None = None
        """The fingerprint that was shown."""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: PiMjpegConfigEntry) -> OptionsFlow:
        return PiMjpegOptionsFlow()

    @override
    async def async_step_user(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address."""
        if user_input is None:
            return self._show_step("user")
        self._input = user_input
        try:
            access = Access(parse_url(user_input[CONF_URL]))
        except ProbeError as error:
            return self._show_step("user", error)
        return await self._contact("user", access)

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """Handle an announcement of a new server, or of a known one, which may have another address."""
        topic = discovery_info.topic
        if not discovery_info.payload:
            self._abort_older_flow(topic.split("/")[-2])
            return self.async_abort(reason="announcement_withdrawn")
        try:
            announcement = parse_announcement(topic, discovery_info.payload)
        except DocumentError as error:
            async_warn_of_announcement(self.hass, topic, error)
            return self.async_abort(reason="invalid_announcement")
        self._abort_older_flow(announcement.id)
        return await self._handle_discovery(announced_server(announcement))

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Handle a record of multicast DNS, as `async_step_mqtt` does an announcement."""
        try:
            discovered = parse_zeroconf(discovery_info.host, discovery_info.port, discovery_info.properties)
        except DocumentError as error:
            LOGGER.debug("Ignored the service %s: %s", ascii(discovery_info.name[:100]), error)
            return self.async_abort(reason="invalid_announcement")
        return await self._handle_discovery(discovered)

    async def _handle_discovery(self, discovered: DiscoveredServer) -> ConfigFlowResult:
        entry = await self.async_set_unique_id(discovered.id)
        if entry is not None:
            return await self._follow_known_server(entry, discovered)
        if not async_is_room_for_card(self.hass, self._async_in_progress(include_uninitialized=True)):
            return self.async_abort(reason="too_many_discovered")
        self._discovered = discovered
        self.context["title_placeholders"] = {"name": discovered.name}
        return await self.async_step_discovery_confirm()

    async def _follow_known_server(self, entry: ConfigEntry, discovered: DiscoveredServer) -> ConfigFlowResult:
        try:
            access = await async_follow_address(self.hass, entry, discovered.urls)
        except UnprovenError:
            return self.async_abort(reason="address_unconfirmed")
        return self._move(entry, access)

    @callback
    def _move(self, entry: ConfigEntry, access: Access | None) -> ConfigFlowResult:
        """Give the entry of a known server its new address, if there is one."""
        if access is None:
            return self.async_abort(reason="already_configured")
        return self.async_update_reload_and_abort(
            entry, data_updates={CONF_URL: str(access.url)}, reason="already_configured"
        )

    async def async_step_discovery_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the server that was found may be contacted."""
        if user_input is None:
            return self._show_step("discovery_confirm")
        found = self._discovered
        assert found is not None  # noqa: S101 - only a discovery leads here
        url = found.urls[0]
        if len(found.urls) > 1:
            url = await async_first_answering(self.hass, found.urls, found.id)
        return await self._contact("discovery_confirm", Access(url))

    async def async_step_token(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the token of a server that wants one."""
        if user_input is None:
            return self._show_step("token")
        return await self._contact("token", replace(self._access, token=user_input[CONF_TOKEN].strip()))

    async def async_step_certificate(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Show the fingerprint of a certificate that is not trusted, and ask whether it is the server's."""
        access = self._access
        if user_input is not None:
            return await self._contact(self._step, replace(access, fingerprint=self._fingerprint))
        try:
            self._fingerprint = await async_fetch_fingerprint(self.hass, access.url)
        except ProbeError as error:
            return self._show_step(self._step, error)
        if access.fingerprint is None and self._entry and self._fingerprint == Access.of(self._entry.data).fingerprint:
            # The same certificate was accepted before.
            return await self._contact(self._step, replace(access, fingerprint=self._fingerprint))
        return self._show_form(
            "certificate",
            errors={"base": "certificate_changed"} if access.fingerprint else {},
            url=escape_markdown(str(access.url)),
            reason=escape_markdown(self._reason),
            fingerprint=shown_fingerprint(self._fingerprint),
        )

    async def _contact(self, step_id: str, access: Access) -> ConfigFlowResult:
        """Ask the server who it is and go on with it. When that fails, show the form of `step_id` with the reason."""
        self._step, self._access = step_id, access
        try:
            self._server = await async_fetch_server(self.hass, access, self._expected_id)
        except ProbeError as error:
            if error.key == UNTRUSTED:
                self._reason = str(error)
                return await self.async_step_certificate()
            if error.key == UNAUTHORISED and access.token is None and self._entry is None:
                return await self.async_step_token()
            return self._show_step(step_id, error)
        if self._entry is not None:
            return self.async_update_reload_and_abort(self._entry, data=access.data())
        return await self._handle_identified(self._server)

    @property
    def _expected_id(self) -> str | None:
        """The node id that the server has to have. None when a person typed an address: it may be any server's."""
        if self._entry is not None:
            return self._entry.unique_id
        return self._discovered.id if self._discovered is not None else None

    async def _handle_identified(self, server: Server) -> ConfigFlowResult:
        """Go on to add a server that is new. Follow a known one that proves that it is there."""
        known = await self.async_set_unique_id(server.id, raise_on_progress=False)
        if known is None or known.source == SOURCE_IGNORE:
            return await self.async_step_confirm()
        # A person has confirmed an address for a new server. The token and the certificate of a known one stay where
        # they are, unless it proves that it is there.
        return self._move(known, await async_follow_typed_address(self.hass, known, self._access.url))

    async def async_step_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Show the server's cameras and a picture of the first that gives one, and ask whether to add them."""
        server = self._server
        assert server is not None  # noqa: S101 - only _handle_identified leads here
        if user_input is not None:
            # While the form was open, the server may have been added in another way.
            self._abort_if_unique_id_configured()
            return self.async_create_entry(title=server.name, data=self._access.data())
        picture = await async_fetch_picture(self.hass, self._access, server)
        return self._show_form(
            "confirm",
            errors={} if picture else {"base": "no_picture"},
            name=escape_markdown(server.name),
            cameras=escape_markdown(", ".join(camera.name for camera in server.cameras.values()) or "-"),
            picture=picture,
        )

    async def async_step_reconfigure(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address, and for another token."""
        self._entry = entry = self._get_reconfigure_entry()
        if user_input is None:
            return self._show_step("reconfigure")
        self._input = user_input
        token = user_input.get(CONF_TOKEN, "").strip() or entry.data.get(CONF_TOKEN)
        try:
            access = Access(parse_url(user_input[CONF_URL]), token)
        except ProbeError as error:
            return self._show_step("reconfigure", error)
        return await self._contact("reconfigure", access)

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:  # noqa: ARG002 - Home Assistant's signature
        """Ask for another token, because the server refuses the one it was shown."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the token that the server accepts now."""
        self._entry = entry = self._get_reauth_entry()
        if user_input is None:
            return self._show_step("reauth_confirm")
        access = Access(URL(entry.data[CONF_URL]), user_input[CONF_TOKEN].strip())
        return await self._contact("reauth_confirm", access)

    def _show_step(self, step_id: str, error: ProbeError | None = None) -> ConfigFlowResult:
        """Show the form of a step that says how the server is reached, with what was wrong with the last answer."""
        errors = {error.field: error.key} if error else {}
        match step_id:
            case "user":
                # There is one field, so whatever is wrong is shown at it.
                errors = {CONF_URL: error.key} if error else {}
                return self._show_form("user", USER_SCHEMA, self._input, errors)
            case "discovery_confirm":
                found = self._discovered
                assert found is not None  # noqa: S101 - only a discovery leads here
                name, url = escape_markdown(found.name), escape_markdown(", ".join(map(str, found.urls)))
                return self._show_form("discovery_confirm", errors=errors, name=name, url=url)
            case "token":
                url = escape_markdown(str(self._access.url))
                return self._show_form("token", TOKEN_SCHEMA, errors=errors, url=url)
        entry = self._entry
        assert entry is not None  # noqa: S101 - the other two steps have set it
        if step_id == "reconfigure":
            suggested = self._input or {CONF_URL: entry.data[CONF_URL]}
            return self._show_form("reconfigure", RECONFIGURE_SCHEMA, suggested, errors)
        name, url = escape_markdown(entry.title), escape_markdown(entry.data[CONF_URL])
        return self._show_form("reauth_confirm", TOKEN_SCHEMA, errors=errors, name=name, url=url)

    def _show_form(
        self,
        step_id: str,
        schema: vol.Schema | None = None,
        suggested: Mapping[str, Any] = MappingProxyType({}),
        errors: Mapping[str, str] = MappingProxyType({}),
        **placeholders: str,
    ) -> ConfigFlowResult:
        # A token is never suggested: a form is shown to whoever looks at the screen.
        shown = {key: value for key, value in suggested.items() if key != CONF_TOKEN}
        return self.async_show_form(
            step_id=step_id,
            data_schema=schema and self.add_suggested_values_to_schema(schema, shown),  # type: ignore[arg-type]  # at run time, voluptuous is a name of probatio
            errors=dict(errors),
            description_placeholders=placeholders,
        )

    @callback
    def _abort_older_flow(self, node: str) -> None:
        """Abort the flow of an older announcement of this node: what it says is no longer true."""
        for flow in self._async_in_progress(include_uninitialized=True):
            context = flow["context"]
            if context.get("source") == SOURCE_MQTT and context.get("unique_id") == node:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])
