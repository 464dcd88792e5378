"""Reads a configuration file in TOML and validates every key in it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import voluptuous as vol

from pi_mjpeg_server.config.credentials import original
from pi_mjpeg_server.config.encoding import read_text
from pi_mjpeg_server.config.errors import ConfigurationError, unknown_key
from pi_mjpeg_server.config.toml_lines import Key, key_lines
from pi_mjpeg_server.config.validators import SECTIONS, TABLES, Validator

_MAX_CAMERAS = 32


@dataclass(slots=True)
class TomlFile:
    """What a file holds: the tables of each section, with valid values only, and the mistakes in it.

    Only `camera` may have several tables. `wrong` are the keys that have a value which is not in `tables`, because it
    is not valid.
    """

    file: Path
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    wrong: set[Key] = field(default_factory=set)
    lines: Mapping[Key, int] = field(default_factory=dict)

    def place(self, section: str, key: str = "", number: int = 0) -> str:
        """Return the start of a message about a key: the file, and the line if the key is in it.

        A key of an inline table has no line of its own, but that of the table.
        """
        line = self.lines.get((section, number, key)) or self.lines.get((section, number, key.partition(".")[0]))
        return f"{self.file}: " if line is None else f"{self.file}, line {line}: "


def read_toml(file: Path) -> TomlFile:
    """Return what the file holds. Raises `ConfigurationError` when it cannot be read, or is not TOML."""
    text = read_text(file)
    file = original(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{file}: this is no configuration, its values are nested too deeply") from error
    found = TomlFile(file, lines=key_lines(text))
    for section, given in document.items():
        if section not in SECTIONS:
            message = unknown_key("", section, SECTIONS).removeprefix("[] ")
            found.mistakes.append(found.place(section) + message)
            continue
        several = given if section == "camera" else [given]
        header = "[[camera]]" if section == "camera" else f"[{section}]"
        if not isinstance(several, list) or not all(isinstance(table, dict) for table in several):
            found.mistakes.append(f"{found.place(section)}{section} has to be a table, written {header}")
            continue
        if not 1 <= len(several) <= _MAX_CAMERAS:
            found.mistakes.append(f"{found.place(section)}there can be 1 to {_MAX_CAMERAS} tables {header}")
            continue
        found.tables[section] = [_validated(found, section, number, table) for number, table in enumerate(several)]
    return found


def _validated(found: TomlFile, section: str, number: int, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the valid keys of a table with the values as the validators make them, and note the mistakes."""
    given = dict(table)
    inner: dict[str, Any] = {}
    for (within, name), validators in TABLES.items():
        if within != section or name not in given:
            continue
        value = given.pop(name)
        if isinstance(value, dict):
            inner[name] = _valid_keys(found, f"{section}.{name}", (section, number, f"{name}."), value, validators)
        else:
            found.mistakes.append(f"{found.place(section, name, number)}[{section}] {name} has to be a table")
    return _valid_keys(found, section, (section, number, ""), given, SECTIONS[section]) | inner


def _valid_keys(
    found: TomlFile, title: str, prefix: Key, table: Mapping[str, Any], validators: Mapping[str, Validator]
) -> dict[str, Any]:
    """Do this for one table, of which a message says the title; `prefix` is what its keys' places begin with."""
    section, number, outer = prefix
    schema = vol.Schema({vol.Optional(key): _with_message(validator) for key, validator in validators.items()})
    given = dict(table)
    try:
        schema(given)
    except vol.MultipleInvalid as error:
        for mistake in error.errors:
            key = str(mistake.path[0]) if mistake.path else ""
            known = key in validators
            message = f"[{title}] {key} {mistake.msg}" if known else unknown_key(title, key, validators)
            found.mistakes.append(found.place(section, outer + key, number) + message)
            found.wrong.add((section, number, outer + key))
            given.pop(key, None)
    values: dict[str, Any] = schema(given)
    return values


def _with_message(validator: Validator) -> Validator:
    """Return the validator with its message kept: of a `ValueError`, voluptuous drops the text."""

    def validate(value: object) -> object:
        try:
            return validator(value)
        except ValueError as error:
            raise vol.Invalid(str(error)) from error

    return validate
