"""Reads the configuration from its three places, the nearer one first: flags, environment, TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import voluptuous as vol

from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.config.errors import ConfigurationError, line_of, unknown_key
from pi_mjpeg_server.config.options import OPTIONS
from pi_mjpeg_server.config.schema import SECTIONS
from pi_mjpeg_server.config.settings import (
    AuthSettings,
    Configuration,
    MqttSettings,
    ServerSettings,
    default_password_file,
)
from pi_mjpeg_server.sources import SourceSettings, kinds

_LARGEST_FILE = 1_000_000
_MAX_CAMERAS = 32
_ASKED = frozenset(SourceSettings.__slots__)


def load(file: Path | None, environment: Mapping[str, str], flags: Mapping[str, str | None]) -> Configuration:
    """Return the whole configuration. `flags` holds the text of each given flag by the flag's name.

    Raises `ConfigurationError`, which names the file, key and line, or the variable or the flag, of the mistake.
    """
    text = _read(file) if file is not None else ""
    tables = _tables(file, text)
    for option in OPTIONS:
        given = [(option.variable, environment.get(option.variable)), (option.flag, flags.get(option.flag))]
        for place, value in given:
            if value is None:
                continue
            try:
                read = option.read(value)
            except (ValueError, KeyError) as error:
                raise ConfigurationError(f"{place}: {value!r} is not of the form {option.form}") from error
            checked = _checked(option.section, {option.key: read}, place)
            tables[option.section][0].update(checked)
    cameras = tuple(_camera(number, table, file) for number, table in enumerate(tables["camera"]))
    _refuse_twins(cameras, file)
    server = ServerSettings(**tables["server"][0])
    _refuse_half_a_certificate(server, file)
    return Configuration(
        server,
        AuthSettings(**tables["auth"][0]),
        _mqtt(tables["mqtt"][0], file),
        cameras,
    )


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ConfigurationError(f"{file}: this is no configuration, it is larger than a megabyte")
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error


def _tables(file: Path | None, text: str) -> dict[str, list[dict[str, Any]]]:
    """Return the checked tables of each section, at least an empty one; only [[camera]] may have several."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    for name in document:
        if name not in SECTIONS:
            raise ConfigurationError(f"{file}: " + unknown_key("", name, SECTIONS).removeprefix("[] "))
    tables: dict[str, list[dict[str, Any]]] = {}
    for section in SECTIONS:
        form = "[[camera]]" if section == "camera" else f"[{section}]"
        given = document.get(section, [{}] if section == "camera" else {})
        several = given if section == "camera" else [given]
        if not isinstance(several, list) or not all(isinstance(table, dict) for table in several):
            raise ConfigurationError(f"{file}: {section} has to be a table, written {form}")
        if not 1 <= len(several) <= _MAX_CAMERAS:
            raise ConfigurationError(f"{file}: there can be 1 to {_MAX_CAMERAS} tables {form}")
        tables[section] = []
        for number, table in enumerate(several):
            try:
                tables[section].append(_checked(section, table, None))
            except _MistakeError as mistake:
                line = line_of(text, section, mistake.key, number)
                place = f"{file}, line {line}" if line else f"{file}"
                raise ConfigurationError(f"{place}: {mistake}") from mistake
    return tables


class _MistakeError(ConfigurationError):
    """A mistake in one key."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


def _checked(section: str, table: Mapping[str, Any], place: str | None) -> dict[str, Any]:
    """Return a table's values as the schema makes them; `place` names where a single value came from."""
    validators = SECTIONS[section]
    schema = vol.Schema({vol.Optional(key): validator for key, validator in validators.items()})
    try:
        checked: dict[str, Any] = schema(dict(table))
    except vol.MultipleInvalid as error:
        first = error.errors[0]
        key = str(first.path[0]) if first.path else ""
        known = key in validators
        said = f"[{section}] {key} {first.msg}" if known else unknown_key(section, key, validators)
        raise _MistakeError(f"{place}: {first.msg}" if place else said, key) from error
    return checked


def _mqtt(table: dict[str, Any], file: Path | None) -> MqttSettings:
    """Return the settings with what one of them says about another."""
    table.setdefault("port", 8883 if table.get("tls") else 1883)
    if "username" in table and (credential := default_password_file()):
        table.setdefault("password_file", credential)
    for key, needed in (
        ("password_file", "username"),
        ("ca_file", "tls"),
        ("client_certificate", "tls"),
        ("client_key", "client_certificate"),
    ):
        if key in table and not table.get(needed):
            place = f"{file}: " if file is not None else ""
            raise ConfigurationError(f"{place}[mqtt] {key} does nothing without {needed}; give that too")
    return MqttSettings(**table)


def _camera(number: int, table: dict[str, Any], file: Path | None) -> CameraSettings:
    asked = SourceSettings(**{key: value for key, value in table.items() if key in _ASKED})
    identity = table.get("id", "camera" if number == 0 else f"camera_{number + 1}")
    name = table.get("name", "Camera" if number == 0 else f"Camera {number + 1}")
    settings = CameraSettings(identity, name, requested=asked)
    known = ["auto", *kinds()]
    source = table.get("source", settings.source)
    if source not in known:
        place = f"{file}: " if file is not None else ""
        raise ConfigurationError(f"{place}there is no source {source!r}; there is: {', '.join(known)}")
    return replace(settings, source=source, linger=table.get("linger", settings.linger))


def _refuse_half_a_certificate(server: ServerSettings, file: Path | None) -> None:
    if (server.tls_certificate is None) != (server.tls_key is None):
        place = f"{file}: " if file is not None else ""
        raise ConfigurationError(
            f"{place}tls_certificate and tls_key belong together: give both, or none for plain HTTP"
        )


def _refuse_twins(cameras: tuple[CameraSettings, ...], file: Path | None) -> None:
    ids = [camera.id for camera in cameras]
    twin = next((identity for identity in ids if ids.count(identity) > 1), None)
    if twin is not None:
        raise ConfigurationError(f"{file}: two cameras have the id {twin!r}; each needs its own")
