"""Puts the configuration together: a flag wins over the environment, and that over the TOML file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.config.errors import ConfigurationError
from pi_mjpeg_server.config.options import OPTIONS, Option
from pi_mjpeg_server.config.settings import (
    AuthSettings,
    Configuration,
    MqttSettings,
    ServerSettings,
    default_password_file,
)
from pi_mjpeg_server.config.validators import SECTIONS
from pi_mjpeg_server.sources import SourceSettings, kinds

_SOURCE_KEYS = frozenset(SourceSettings.__slots__)


def load(file: Path | None, environment: Mapping[str, str], flags: Mapping[str, str | None]) -> Configuration:
    """Return the whole configuration. `flags` holds the text of each given flag by the flag's name.

    Raises `ConfigurationError`, which names the file, key and line, or the variable or the flag, of the mistake.
    """
    tables: dict[str, list[dict[str, Any]]] = {section: [{}] for section in SECTIONS}
    if file is not None:
        # voluptuous takes longer to import than all else that `pi-mjpeg token` does.
        from pi_mjpeg_server.config.toml_file import read_tables  # noqa: PLC0415

        tables |= read_tables(file)
    for option in OPTIONS:
        for place, text in ((option.variable, environment.get(option.variable)), (option.flag, flags.get(option.flag))):
            if text is not None:
                tables[option.section][0][option.key] = _value(option, text, place)
    cameras = tuple(_camera(number, table, file) for number, table in enumerate(tables["camera"]))
    _check_unique_ids(cameras, file)
    server = ServerSettings(**tables["server"][0])
    _check_certificate(server, file)
    return Configuration(
        server,
        AuthSettings(**tables["auth"][0]),
        _mqtt(tables["mqtt"][0], file),
        cameras,
    )


def _value(option: Option, text: str, place: str) -> object:
    """Return the value of an option that was given as text; `place` names where. Raises `ConfigurationError`."""
    try:
        parsed = option.parse(text)
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"{place}: {text!r} is not of the form {option.metavar}") from error
    try:
        return SECTIONS[option.section][option.key](parsed)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _mqtt(table: dict[str, Any], file: Path | None) -> MqttSettings:
    """Return the MQTT settings, with the defaults that depend on other keys."""
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
            raise ConfigurationError(f"{_place(file)}[mqtt] {key} does nothing without {needed}; give that too")
    return MqttSettings(**table)


def _camera(number: int, table: dict[str, Any], file: Path | None) -> CameraSettings:
    requested = SourceSettings(**{key: value for key, value in table.items() if key in _SOURCE_KEYS})
    identity = table.get("id", "camera" if number == 0 else f"camera_{number + 1}")
    name = table.get("name", "Camera" if number == 0 else f"Camera {number + 1}")
    settings = CameraSettings(identity, name, requested=requested)
    source = table.get("source", settings.source)
    if source != settings.source and source not in (known := kinds()):
        names = ", ".join([settings.source, *known])
        raise ConfigurationError(f"{_place(file)}there is no source {source!r}; there is: {names}")
    return replace(settings, source=source, linger=table.get("linger", settings.linger))


def _check_certificate(server: ServerSettings, file: Path | None) -> None:
    if (server.tls_certificate is None) != (server.tls_key is None):
        raise ConfigurationError(
            f"{_place(file)}tls_certificate and tls_key belong together: give both, or none for plain HTTP"
        )


def _check_unique_ids(cameras: tuple[CameraSettings, ...], file: Path | None) -> None:
    ids = [camera.id for camera in cameras]
    twice = next((identity for identity in ids if ids.count(identity) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{_place(file)}two cameras have the id {twice!r}; each needs its own")


def _place(file: Path | None) -> str:
    """Return the start of a message about the file; nothing if there is none."""
    return f"{file}: " if file is not None else ""
