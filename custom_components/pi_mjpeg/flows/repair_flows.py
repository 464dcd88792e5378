"""What the buttons under Settings > Repairs do: use a new address, accept a new certificate."""

from dataclasses import replace
from typing import Any

import voluptuous as vol
from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntry
from yarl import URL

from ..api.access import Access
from ..api.validators import escape_markdown
from .server_probe import UNTRUSTED, ProbeError, async_fetch_fingerprint, async_fetch_server, shown_fingerprint


class _EntryRepairFlow(RepairsFlow):
    """A flow about one entry, which asks the server before it stores another address or certificate."""

    def __init__(self, entry: ConfigEntry) -> None:
        self._entry = entry

    @property
    def _known(self) -> Access:
        return Access.of(self._entry.data)

    async def _async_use(self, access: Access) -> RepairsFlowResult:
        """Store `access` and end. Raises `ProbeError` unless the server answers."""
        await async_fetch_server(self.hass, access, self._entry.unique_id)
        # The secret with which the server proves who it is goes with the old address. It is asked for another one.
        self.hass.config_entries.async_update_entry(self._entry, data=access.data())
        self.hass.config_entries.async_schedule_reload(self._entry.entry_id)
        return self.async_create_entry(data={})

    def _show(self, error: str | None, **placeholders: str) -> RepairsFlowResult:
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),  # type: ignore[arg-type]  # at run time, voluptuous is a name of probatio
            errors={"base": error} if error else {},
            description_placeholders={
                "name": escape_markdown(self._entry.title),
                "known_url": escape_markdown(str(self._known.url)),
                **placeholders,
            },
        )


class AddressRepairFlow(_EntryRepairFlow):
    """Uses an address that was announced and not proven, once a person has confirmed it."""

    def __init__(self, entry: ConfigEntry, url: URL) -> None:
        super().__init__(entry)
        self._url = url

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:  # noqa: ARG002 - Home Assistant's signature
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Show both addresses, and ask the server at the new one when a person has confirmed it."""
        if self._known.url.scheme == "https" and self._url.scheme != "https":
            name = escape_markdown(self._entry.title)
            return self.async_abort(reason="not_encrypted", description_placeholders={"name": name})
        error = None
        if user_input is not None:
            try:
                return await self._async_use(replace(self._known, url=self._url))
            except ProbeError as problem:
                error = problem.key
        return self._show(error, url=escape_markdown(str(self._url)))


class CertificateRepairFlow(_EntryRepairFlow):
    """Accepts the certificate that the server shows now, once a person has compared its fingerprint."""

    def __init__(self, entry: ConfigEntry) -> None:
        super().__init__(entry)
        self._shown = ""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:  # noqa: ARG002 - Home Assistant's signature
        """Look at the certificate. No request is sent."""
        return await self._async_look(None)

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Accept the certificate that was shown, and no other."""
        if user_input is None:
            return await self._async_look(None)
        try:
            return await self._async_use(replace(self._known, fingerprint=self._shown))
        except ProbeError as problem:
            return await self._async_look("certificate_changed" if problem.key == UNTRUSTED else problem.key)

    async def _async_look(self, error: str | None) -> RepairsFlowResult:
        known = self._known
        try:
            self._shown = await async_fetch_fingerprint(self.hass, known.url)
        except ProbeError as problem:
            return self.async_abort(reason=problem.key)
        return self._show(
            error,
            accepted=shown_fingerprint(known.fingerprint) if known.fingerprint else "-",
            fingerprint=shown_fingerprint(self._shown),
        )


class EntryGoneFlow(RepairsFlow):
    """Says that there is nothing to repair any more."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:  # noqa: ARG002 - Home Assistant's signature
        """End at once."""
        return self.async_abort(reason="gone")
