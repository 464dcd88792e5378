"""How a server gets into Home Assistant: by its address, or found over MQTT or by multicast DNS."""

import base64
from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import SOURCE_MQTT, ConfigEntry, ConfigFlow, ConfigFlowResult, OptionsFlow
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from yarl import URL

from .client import (
    CannotConnectError,
    IncompatibleError,
    PiMjpegClient,
    PiMjpegError,
    RefusedError,
    UnauthorisedError,
)
from .const import DOMAIN, LOGGER, MAX_PREVIEW_BYTES
from .documents import DocumentError, parse_announcement, parse_beacon
from .issues import async_address_unconfirmed
from .models import Beacon, Server
from .options_flow import PiMjpegOptionsFlow
from .validators import base_url, escape_markdown

_URL = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
_TOKEN = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_USER_SCHEMA = vol.Schema({vol.Required(CONF_URL): _URL})
_TOKEN_SCHEMA = vol.Schema({vol.Required(CONF_TOKEN): _TOKEN})
_RECONFIGURE_SCHEMA = vol.Schema({vol.Required(CONF_URL): _URL, vol.Optional(CONF_TOKEN): _TOKEN})

_PREVIEW_WIDTH = 320


class _FlowError(Exception):
    """A server that cannot be added; `key` names the reason in the translations, `field` the field that it is about."""

    def __init__(self, key: str, field: str = "base") -> None:
        super().__init__(key)
        self.key = key
        self.errors = {field: key}


class PiMjpegConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds a server once it answered with the node id that it is to have, and a person saw its picture.

    Nothing is sent to an address that a stranger on the network named before a person confirmed it, and the token goes
    only to an address that a person confirmed or typed.
    """

    VERSION = 1

    def __init__(self) -> None:
        self._found: Beacon | None = None
        self._url = URL()
        self._token: str | None = None
        self._server: Server | None = None

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        return PiMjpegOptionsFlow()

    @override
    async def async_step_user(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address, and show what is wrong with it until it is right."""
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                self._url = _url_of(user_input[CONF_URL])
                return await self._contact()
            except _FlowError as error:
                errors = {CONF_URL: error.key}
        return self._form("user", _USER_SCHEMA, user_input, errors)

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
        return await self._discovered(Beacon(announcement.id, announcement.name, announcement.base_url))

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Take what a server tells the local network: likewise."""
        try:
            beacon = parse_beacon(discovery_info.host, discovery_info.port, discovery_info.properties)
        except DocumentError as error:
            LOGGER.debug("Ignored the service %s: %s", ascii(discovery_info.name[:100]), error)
            return self.async_abort(reason="invalid_announcement")
        return await self._discovered(beacon)

    async def _discovered(self, beacon: Beacon) -> ConfigFlowResult:
        entry = await self.async_set_unique_id(beacon.id)
        if entry is not None:
            return await self._moved(entry, beacon)
        self._found = beacon
        self._url = beacon.url
        self.context["title_placeholders"] = {"name": beacon.name}
        return await self.async_step_discovery_confirm()

    async def _moved(self, entry: ConfigEntry, beacon: Beacon) -> ConfigFlowResult:
        """Follow a known server to a new address, if it is no longer at the one it had."""
        known: str = entry.data[CONF_URL]
        if known == str(beacon.url):
            return self.async_abort(reason="already_configured")
        token = entry.data.get(CONF_TOKEN)
        try:
            await self._server_at(URL(known), token, beacon.id)
        except _FlowError as error:
            LOGGER.debug("%s is no longer at %s (%s)", entry.title, known, error.key)
        else:
            # It has several addresses, and the one that a person chose works.
            return self.async_abort(reason="already_configured")
        if token is not None:
            # Anybody on the network could have sent this: whoever follows it may hand over the token.
            async_address_unconfirmed(self.hass, entry, beacon.url)
            return self.async_abort(reason="address_unconfirmed")
        try:
            await self._server_at(beacon.url, None, beacon.id)
        except _FlowError as error:
            return self.async_abort(reason=error.key)
        moved = {CONF_URL: str(beacon.url)}
        return self.async_update_reload_and_abort(entry, data_updates=moved, reason="already_configured")

    async def async_step_discovery_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the server that was found may be contacted."""
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                return await self._contact()
            except _FlowError as error:
                errors = error.errors
        assert self._found is not None  # noqa: S101 - only a discovery leads here
        return self.async_show_form(
            step_id="discovery_confirm",
            description_placeholders={
                "name": escape_markdown(self._found.name),
                "url": escape_markdown(str(self._found.url)),
            },
            errors=errors,
        )

    async def async_step_token(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the token of a server that wants one."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._token = user_input[CONF_TOKEN].strip()
            try:
                return await self._contact()
            except _FlowError as error:
                errors = error.errors
        return self._form("token", _TOKEN_SCHEMA, None, errors, url=escape_markdown(str(self._url)))

    async def _contact(self) -> ConfigFlowResult:
        """Ask the server who it is, and show it. Raises `_FlowError`."""
        try:
            server = await self._server_at(self._url, self._token, self._found.id if self._found else None)
        except _FlowError as error:
            if error.key == "invalid_auth" and self._token is None:
                return await self.async_step_token()
            raise
        await self.async_set_unique_id(server.id, raise_on_progress=False)
        self._abort_if_unique_id_configured(updates=self._data())
        self._server = server
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Show the server's cameras and a picture of the first that gives one, and ask whether they are to be added."""
        server = self._server
        assert server is not None  # noqa: S101 - only _contact leads here
        if user_input is not None:
            return self.async_create_entry(title=server.name, data=self._data())
        picture = await self._picture_of(server)
        return self.async_show_form(
            step_id="confirm",
            description_placeholders={
                "name": escape_markdown(server.name),
                "cameras": escape_markdown(", ".join(camera.name for camera in server.cameras.values()) or "-"),
                "picture": picture,
            },
            errors={} if picture else {"base": "no_picture"},
        )

    async def async_step_reconfigure(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the address, and for another token."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            token = user_input.get(CONF_TOKEN, "").strip() or entry.data.get(CONF_TOKEN)
            try:
                url = _url_of(user_input[CONF_URL])
                await self._server_at(url, token, entry.unique_id)
            except _FlowError as error:
                errors = error.errors
            else:
                data = {CONF_URL: str(url), **({CONF_TOKEN: token} if token else {})}
                return self.async_update_reload_and_abort(entry, data_updates=data)
        return self._form("reconfigure", _RECONFIGURE_SCHEMA, user_input or {CONF_URL: entry.data[CONF_URL]}, errors)

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:  # noqa: ARG002 - Home Assistant's signature
        """Begin to ask for a token, because the server no longer takes the one it had."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: Mapping[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the token that the server takes now."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            token = user_input[CONF_TOKEN].strip()
            try:
                await self._server_at(URL(entry.data[CONF_URL]), token, entry.unique_id)
            except _FlowError as error:
                errors = error.errors
            else:
                return self.async_update_reload_and_abort(entry, data_updates={CONF_TOKEN: token})
        url = escape_markdown(entry.data[CONF_URL])
        return self._form("reauth_confirm", _TOKEN_SCHEMA, None, errors, name=escape_markdown(entry.title), url=url)

    def _data(self) -> dict[str, Any]:
        """Return what the entry has to remember."""
        return {CONF_URL: str(self._url), **({CONF_TOKEN: self._token} if self._token else {})}

    def _form(
        self,
        step: str,
        schema: vol.Schema,
        suggested: Mapping[str, Any] | None,
        errors: dict[str, str],
        **placeholders: str,
    ) -> ConfigFlowResult:
        # A token is never suggested: a form is shown to whoever looks at the screen.
        shown = {key: value for key, value in (suggested or {}).items() if key != CONF_TOKEN}
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(schema, shown),  # type: ignore[arg-type]  # at run time, voluptuous is a name of probatio
            errors=errors,
            description_placeholders=placeholders,
        )

    async def _server_at(self, url: URL, token: str | None, node: str | None) -> Server:
        """Ask the server at `url` who it is; `node` is who it has to be. Raises `_FlowError`."""
        try:
            server = await PiMjpegClient(async_get_clientsession(self.hass), url, token).state()
        except PiMjpegError as error:
            LOGGER.debug("No pi-mjpeg server at %s: %s", url, error)
            raise _translated(error) from error
        if node not in (None, server.id):
            raise _FlowError("wrong_server")
        return server

    async def _picture_of(self, server: Server) -> str:
        """Return a small picture as Markdown, from a camera that gives one; an empty text when none does."""
        client = PiMjpegClient(async_get_clientsession(self.hass), self._url, self._token)
        for camera in server.cameras.values():
            if not camera.available:
                continue
            try:
                picture = await client.snapshot(camera.id, width=_PREVIEW_WIDTH)
            except PiMjpegError as error:
                LOGGER.debug("No picture of %s: %s", camera.name, error)
                return ""
            if len(picture) <= MAX_PREVIEW_BYTES:
                return f"![](data:image/jpeg;base64,{base64.b64encode(picture).decode()})"
        return ""

    @callback
    def _drop_older_flow(self, node: str) -> None:
        """End the flow that an older announcement of this node began: what it says is no longer true."""
        for flow in self._async_in_progress(include_uninitialized=True):
            context = flow["context"]
            if context.get("source") == SOURCE_MQTT and context.get("unique_id") == node:
                self.hass.config_entries.flow.async_abort(flow["flow_id"])


def _translated(error: PiMjpegError) -> _FlowError:
    match error:
        case CannotConnectError():
            return _FlowError("cannot_connect")
        case UnauthorisedError():
            return _FlowError("invalid_auth", CONF_TOKEN)
        case RefusedError():
            return _FlowError("refused")
        case IncompatibleError():
            return _FlowError("incompatible")
    return _FlowError("invalid_response")


def _url_of(typed: str) -> URL:
    """Return the address that a person meant. Raises `_FlowError`."""
    address = typed.strip()
    try:
        return base_url(address if "://" in address else f"http://{address}")
    except vol.Invalid as error:
        raise _FlowError("invalid_url", CONF_URL) from error
