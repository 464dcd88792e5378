"""Reads a configuration file in TOML and validates every key in it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import voluptuous as vol

from pi_mjpeg_server.config.errors import ConfigurationError, line_of, unknown_key
from pi_mjpeg_server.config.validators import SECTIONS, Validator

_MAX_BYTES = 1_000_000
_MAX_CAMERAS = 32


def read_tables(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of each section that the file has, with valid values; only [[camera]] may have several.

    Raises `ConfigurationError` that names the file, the key and the line of the mistake.
    """
    text = _read(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    for name in document:
        if name not in SECTIONS:
            raise ConfigurationError(f"{file}: " + unknown_key("", name, SECTIONS).removeprefix("[] "))
    tables: dict[str, list[dict[str, Any]]] = {}
    for section, given in document.items():
        several = given if section == "camera" else [given]
        header = "[[camera]]" if section == "camera" else f"[{section}]"
        if not isinstance(several, list) or not all(isinstance(table, dict) for table in several):
            raise ConfigurationError(f"{file}: {section} has to be a table, written {header}")
        if not 1 <= len(several) <= _MAX_CAMERAS:
            raise ConfigurationError(f"{file}: there can be 1 to {_MAX_CAMERAS} tables {header}")
        tables[section] = []
        for number, table in enumerate(several):
            try:
                tables[section].append(_validated(section, table))
            except _KeyMistakeError as mistake:
                line = line_of(text, section, mistake.key, number)
                place = f"{file}, line {line}" if line else f"{file}"
                raise ConfigurationError(f"{place}: {mistake}") from mistake
    return tables


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigurationError(f"{file}: this is no configuration, it is larger than a megabyte")
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error


class _KeyMistakeError(Exception):
    """One key is unknown or has a wrong value."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


def _validated(section: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with the values as the validators make them. Raises `_KeyMistakeError`."""
    validators = SECTIONS[section]
    schema = vol.Schema({vol.Optional(key): _with_message(validator) for key, validator in validators.items()})
    try:
        validated: dict[str, Any] = schema(dict(table))
    except vol.MultipleInvalid as error:
        first = error.errors[0]
        key = str(first.path[0]) if first.path else ""
        known = key in validators
        message = f"[{section}] {key} {first.msg}" if known else unknown_key(section, key, validators)
        raise _KeyMistakeError(message, key) from error
    return validated


def _with_message(validator: Validator) -> Validator:
    """Return the validator with its message kept: of a `ValueError`, voluptuous drops the text."""

    def validate(value: object) -> object:
        try:
            return validator(value)
        except ValueError as error:
            raise vol.Invalid(str(error)) from error

    return validate
