"""Validators of objects and lists. The first error ends the validation, and a list is measured before it is read.

Voluptuous goes on after an error and keeps all of them: a message of 64 KiB then takes more than a second.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import voluptuous as vol

type Validator[T] = Callable[[object], T]
"""Returns the value as it is used, or raises `vol.Invalid` with the path of what is wrong."""


def document(fields: Mapping[str, Validator[Any]]) -> Validator[dict[str, Any]]:
    """Return a validator of objects that have all these fields. Others are left out, at no cost."""

    def validated(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise vol.Invalid("expected an object")
        found: dict[str, Any] = {}
        for name, validate in fields.items():
            if name not in value and not isinstance(validate, lenient):
                raise vol.Invalid("it is missing", [name])
            found[name] = _at(name, validate, value.get(name))
        return found

    return validated


def list_of[T](validate: Validator[T], maximum: int) -> Validator[list[T]]:
    """Return a validator of lists of at most `maximum` such items."""

    def validated(value: object) -> list[T]:
        return [_at(index, validate, item) for index, item in enumerate(_measured(value, maximum))]

    return validated


def list_of_valid[T](validate: Validator[T], maximum: int) -> Validator[list[T]]:
    """Return a validator of lists of at most `maximum` items that leaves out those that are wrong."""

    def validated(value: object) -> list[T]:
        valid = []
        for item in _measured(value, maximum):
            with suppress(vol.Invalid):
                valid.append(validate(item))
        return valid

    return validated


def count_of(maximum: int) -> Validator[int]:
    """Return a validator of lists of at most `maximum` objects that returns only how many there are."""

    def counted(value: object) -> int:
        for index, item in enumerate(items := _measured(value, maximum)):
            if not isinstance(item, dict):
                raise vol.Invalid("expected an object", [index])
        return len(items)

    return counted


def optional[T](validate: Validator[T]) -> Validator[T | None]:
    """Return a validator that also accepts None."""
    return lambda value: None if value is None else validate(value)


class lenient[T]:  # noqa: N801 - it is used as the functions are
    """A validator of a field that a document need not have: what is absent or wrong is None, and costs nothing else."""

    def __init__(self, validate: Validator[T]) -> None:
        self._validate = validate

    def __call__(self, value: object) -> T | None:
        """Return the value as it is used, or None."""
        try:
            return None if value is None else self._validate(value)
        except vol.Invalid:
            return None


def one_of(*words: str) -> Validator[str]:
    """Return a validator of these words."""

    def validated(value: object) -> str:
        # A list or an object cannot be looked up, but compared.
        for word in words:
            if value == word:
                return word
        raise vol.Invalid(f"expected one of {', '.join(words)}")

    return validated


def boolean(value: object) -> bool:
    """Accept true or false, and no number."""
    if not isinstance(value, bool):
        raise vol.Invalid("expected true or false")
    return value


def _measured(value: object, maximum: int) -> list[Any]:
    if not isinstance(value, list):
        raise vol.Invalid("expected a list")
    if len(value) > maximum:
        raise vol.Invalid(f"expected a list of at most {maximum} items")
    return value


def _at[T](step: str | int, validate: Validator[T], value: object) -> T:
    """Validate a part of a document, and say in an error which part it is."""
    try:
        return validate(value)
    except vol.Invalid as error:
        error.prepend([step])
        raise
