"""Repair issues: what a person has to do, shown under Settings > Repairs until it is done."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from yarl import URL

from ..api.validators import escape_markdown
from ..const import DOCUMENTATION, DOMAIN, MAX_CAMERAS, MAX_CONTROLS, SCHEMA

CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""How wrong the server's clock may be. Snapshots carry its time, and a Pi has none until it reaches a time server."""

DATA_ENTRY: Final = "entry_id"
DATA_URL: Final = "url"
"""What the flow of an issue needs to know."""

_ADDRESS: Final = "address_unconfirmed"
_CAMERAS: Final = "cameras_changed"
_CERTIFICATE: Final = "certificate_untrusted"
_CLOCK: Final = "clock_wrong"
_TWICE: Final = "shown_twice"
_SERVER_OLD: Final = "server_too_old"
_INTEGRATION_OLD: Final = "integration_too_old"
_TOO_MANY: Final = "too_many_entities"
_TWINS: Final = "twins"
_WRONG: Final = "wrong_server"
_ALL: Final = (
    *(_ADDRESS, _CAMERAS, _CERTIFICATE, _CLOCK, _TWICE),
    *(_SERVER_OLD, _INTEGRATION_OLD, _TOO_MANY, _TWINS, _WRONG),
)


@callback
def async_address_unconfirmed(hass: HomeAssistant, entry: ConfigEntry, url: URL) -> None:
    """Report that the server was announced at `url`, to which nothing is sent until a person confirms it."""
    _set(hass, entry, _ADDRESS, {DATA_URL: str(url)}, url=escape_markdown(str(url)))


@callback
def async_is_address_unconfirmed(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Return whether a person is asked about an address of the server."""
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{_ADDRESS}_{entry.entry_id}") is not None


@callback
def async_check_clock(hass: HomeAssistant, entry: ConfigEntry, offset: float | None) -> None:
    """Report a clock that is `offset` seconds ahead of ours if that is too much, or withdraw the report."""
    if offset is not None and abs(offset) > CLOCK_TOLERANCE.total_seconds():
        _set(hass, entry, _CLOCK, minutes=str(round(abs(offset) / 60)))
    else:
        _unset(hass, entry, _CLOCK)


@callback
def async_check_shown_twice(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Report whether Home Assistant's own MQTT integration shows the server too, which our claim should have ended."""
    identifier = (mqtt.DOMAIN, f"{DOMAIN}_{entry.unique_id}")
    devices = dr.async_get(hass)
    brokers = hass.config_entries.async_entries(mqtt.DOMAIN)
    if any(devices.async_get_device_by_identifier(identifier, broker.entry_id) for broker in brokers):
        _set(hass, entry, _TWICE)
    else:
        _unset(hass, entry, _TWICE)


@callback
def async_cameras_changed(hass: HomeAssistant, entry: ConfigEntry, changes: Iterable[str]) -> None:
    """Report cameras that show the picture of another device than before. The report stays until a person ignores it.

    A former report that was ignored was about other changes.
    """
    _unset(hass, entry, _CAMERAS)
    cameras = ", ".join(escape_markdown(change) for change in changes)
    _set(hass, entry, _CAMERAS, is_persistent=True, cameras=cameras)


@callback
def async_twins(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Report that two machines have the id of this server."""
    _set(hass, entry, _TWINS)


@callback
def async_no_twins(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Withdraw the report of two machines with one id."""
    _unset(hass, entry, _TWINS)


@callback
def async_wrong_server(hass: HomeAssistant, entry: ConfigEntry, url: URL, other: str) -> None:
    """Report that a server with another id answers at the address of this one."""
    _set(hass, entry, _WRONG, url=escape_markdown(str(url)), other=escape_markdown(other))


@callback
def async_incompatible(hass: HomeAssistant, entry: ConfigEntry, schema: object) -> None:
    """Report that the server or this integration is too old, by the schema number of the server's documents."""
    newer = isinstance(schema, int) and schema > SCHEMA
    _set(hass, entry, _INTEGRATION_OLD if newer else _SERVER_OLD)


@callback
def async_untrusted(hass: HomeAssistant, entry: ConfigEntry, reason: str) -> None:
    """Report that the server's certificate is not trusted, and why."""
    _set(hass, entry, _CERTIFICATE, {}, reason=escape_markdown(reason))


@callback
def async_check_entity_limit(hass: HomeAssistant, entry: ConfigEntry, *, exceeded: bool) -> None:
    """Report that the server has told of more cameras or controls than are shown, until the entry is loaded again."""
    if exceeded:
        _set(hass, entry, _TOO_MANY, cameras=str(MAX_CAMERAS), controls=str(MAX_CONTROLS))
    else:
        _unset(hass, entry, _TOO_MANY)


@callback
def async_reached(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Withdraw the reports that a valid answer from the known address disproves."""
    for key in (_ADDRESS, _CERTIFICATE, _SERVER_OLD, _INTEGRATION_OLD, _WRONG):
        _unset(hass, entry, key)


@callback
def async_forget(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Withdraw all reports about an entry that is removed."""
    for key in _ALL:
        _unset(hass, entry, key)


def _set(
    hass: HomeAssistant,
    entry: ConfigEntry,
    key: str,
    fix: dict[str, str | int | float | None] | None = None,
    *,
    is_persistent: bool = False,
    **placeholders: str,
) -> None:
    """Report an issue. With the data in `fix` it has a button, behind which `repairs` has a flow."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{key}_{entry.entry_id}",
        data=None if fix is None else {DATA_ENTRY: entry.entry_id, **fix},
        is_fixable=fix is not None,
        is_persistent=is_persistent,
        severity=ir.IssueSeverity.WARNING,
        translation_key=key,
        translation_placeholders={"name": escape_markdown(entry.title), **placeholders},
        learn_more_url=DOCUMENTATION,
    )


def _unset(hass: HomeAssistant, entry: ConfigEntry, key: str) -> None:
    ir.async_delete_issue(hass, DOMAIN, f"{key}_{entry.entry_id}")
