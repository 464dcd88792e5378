"""Puts the configuration together: a flag wins over the environment, and that over the TOML file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.config.camera_ids import default_id, default_name
from pi_mjpeg_server.config.credentials import default_password_file, readable_copy
from pi_mjpeg_server.config.errors import ConfigurationError
from pi_mjpeg_server.config.options import OPTIONS, Option
from pi_mjpeg_server.config.settings import (
    AuthSettings,
    ClipSettings,
    Configuration,
    MqttSettings,
    ServerSettings,
)
from pi_mjpeg_server.config.validators import SECTIONS
from pi_mjpeg_server.motion.settings import MotionSettings
from pi_mjpeg_server.sources import SourceSettings, kinds

if TYPE_CHECKING:
    from pi_mjpeg_server.config.toml_file import TomlFile
    from pi_mjpeg_server.config.toml_lines import Key

_SOURCE_KEYS = frozenset(SourceSettings.__slots__)
_CAMERA_KEYS = ("linger", "warm_up", "always_on", "preroll", "record_on_motion")


def load(file: Path | None, environment: Mapping[str, str], flags: Mapping[str, str | None]) -> Configuration:
    """Return the whole configuration. `flags` holds the text of each given flag by the flag's name.

    Raises `ConfigurationError` with every mistake: each names the file, key and line, or the variable, or the flag.
    """
    given = _Given(file)
    for option in OPTIONS:
        for place, text in ((option.variable, environment.get(option.variable)), (option.flag, flags.get(option.flag))):
            if text is not None:
                given.set_option(option, text, place)
    tables = given.tables["camera"]
    cameras = tuple(_camera(given, number, table) for number, table in enumerate(tables))
    _check_unique_ids(given, tables)
    _check_needed_keys(given)
    given.use_readable_copies()
    if given.mistakes:
        raise ConfigurationError(*given.mistakes)
    return Configuration(
        ServerSettings(**given.tables["server"][0]),
        AuthSettings(**given.tables["auth"][0]),
        _mqtt(given.tables["mqtt"][0]),
        cameras,
        default_ids=frozenset(number for number, table in enumerate(tables) if "id" not in table),
        default_names=frozenset(number for number, table in enumerate(tables) if "name" not in table),
        clips=ClipSettings(**given.tables["clips"][0]),
        motion={number: MotionSettings(**table.get("motion", {})) for number, table in enumerate(tables)},
    )


class _Given:
    """What the file, the environment and the flags say, with the mistakes in it."""

    def __init__(self, file: Path | None) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {section: [{}] for section in SECTIONS}
        self.mistakes: list[str] = []
        self._file: TomlFile | None = None
        self._wrong: set[Key] = set()
        if file is not None:
            # voluptuous takes longer to import than all else that `pi-mjpeg token` does.
            from pi_mjpeg_server.config.toml_file import read_toml  # noqa: PLC0415

            self._file = read_toml(file)
            self.tables |= self._file.tables
            self.mistakes += self._file.mistakes
            self._wrong |= self._file.wrong

    def set_option(self, option: Option, text: str, place: str) -> None:
        """Have an option that was given as text win over what was given before; `place` names where."""
        try:
            parsed = option.parse(text)
        except (ValueError, KeyError):
            self.mistakes.append(f"{place}: {text!r} is not of the form {option.metavar}")
            self._wrong.add((option.section, 0, option.key))
            return
        try:
            self.tables[option.section][0][option.key] = SECTIONS[option.section][option.key](parsed)
        except ValueError as error:
            self.mistakes.append(f"{place}: {error}")
            self._wrong.add((option.section, 0, option.key))

    def use_readable_copies(self) -> None:
        """Replace each file by the copy of it that systemd has made for this process, if it has."""
        for option in OPTIONS:
            path = self.tables[option.section][0].get(option.key)
            if option.metavar == "FILE" and isinstance(path, Path):
                self.tables[option.section][0][option.key] = readable_copy(path)

    def has(self, section: str, key: str) -> bool:
        """Return whether a key has a value other than false, or one that is not valid."""
        return bool(self.tables[section][0].get(key)) or (section, 0, key) in self._wrong

    def mistake(self, message: str, section: str, key: str, number: int = 0) -> None:
        """Note a mistake about a key."""
        self.mistakes.append((self._file.place(section, key, number) if self._file is not None else "") + message)


def _check_needed_keys(given: _Given) -> None:
    """Note the keys that do nothing without another."""
    for key, needed in (
        ("password_file", "username"),
        ("ca_file", "tls"),
        ("client_certificate", "tls"),
        ("client_key", "client_certificate"),
    ):
        if key in given.tables["mqtt"][0] and not given.has("mqtt", needed):
            given.mistake(f"[mqtt] {key} does nothing without {needed}; give that too", "mqtt", key)
    if given.has("server", "tls_certificate") != given.has("server", "tls_key"):
        there = "tls_certificate" if given.has("server", "tls_certificate") else "tls_key"
        message = "tls_certificate and tls_key belong together: give both, or none for plain HTTP"
        given.mistake(message, "server", there)


def _mqtt(table: dict[str, Any]) -> MqttSettings:
    """Return the MQTT settings, with the defaults that depend on other keys."""
    table.setdefault("port", 8883 if table.get("tls") else 1883)
    if "username" in table and (credential := default_password_file()):
        table.setdefault("password_file", credential)
    return MqttSettings(**table)


def _camera(given: _Given, number: int, table: dict[str, Any]) -> CameraSettings:
    requested = SourceSettings(**{key: value for key, value in table.items() if key in _SOURCE_KEYS})
    identity = table.get("id", default_id(number))
    settings = CameraSettings(identity, table.get("name", default_name(number)), requested=requested)
    source = table.get("source", settings.source)
    if source != settings.source and source not in (known := kinds()):
        names = ", ".join([settings.source, *known])
        given.mistake(f"there is no source {source!r}; there is: {names}", "camera", "source", number)
    own = {key: table[key] for key in _CAMERA_KEYS if key in table}
    return replace(settings, source=source, **own)


def _check_unique_ids(given: _Given, tables: Sequence[Mapping[str, Any]]) -> None:
    ids = [table.get("id") for table in tables]
    for number, identity in enumerate(ids):
        if identity is not None and identity in ids[:number]:
            given.mistake(f"two cameras have the id {identity!r}; each needs its own", "camera", "id", number)
