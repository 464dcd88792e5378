"""The controls of one V4L2 device. A control that the driver describes or handles badly costs only itself.

Statements about V4L2 refer to the kernel's "Video for Linux API" (userspace-api/media/v4l).
"""

from __future__ import annotations

import contextlib
import copy
import errno
import logging
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources.controls import Control, ControlError, ControlValue, is_automatic
from pi_mjpeg_server.sources.driver_text import driver_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOGGER = logging.getLogger(__name__)
_MAX_CONTROLS = 64
_MAX_OPTIONS = 64
_MAX_MENU_INDEX = 1024
_READING_TIMEOUT = 8.0  # seconds for all controls; a control transfer on USB may take five to fail
_NEXT_CONTROL = 0x8000_0000
# The user and the camera class, whose ids are tried one by one where the driver cannot list them.
_STANDARD_IDS = (range(0x0098_0900, 0x0098_092D), range(0x009A_0901, 0x009A_0928))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A control with its id and the numbers of its menu entries; `is_listed` unless its value cannot be told."""

    id: int
    control: Control
    numbers: Mapping[str, int]
    is_listed: bool


class WebcamControls:
    """The controls of an open device. They are read once; after that only those that are set are read."""

    def __init__(self, v4l2: Any, file: Any) -> None:  # noqa: ANN401  (linuxpy has no types)
        """Read all controls of the device `file`; this never fails. `v4l2` is `linuxpy.video.device`."""
        self._v4l2 = v4l2
        self._file = file
        self._entries: dict[str, _Entry] = {}
        deadline = time.monotonic() + _READING_TIMEOUT
        for raw in self._descriptions():
            if len(self._entries) >= _MAX_CONTROLS or time.monotonic() > deadline:
                _LOGGER.warning("the camera has more controls than can be read: those after %s are left out", raw.id)
                break
            try:
                self._add(raw)
            except (OSError, ValueError) as error:
                _LOGGER.debug("the control 0x%08x is left out: %s", raw.id, error)

    def listed(self) -> dict[str, Control]:
        """Return the controls by name, with the values that were read last."""
        return {name: entry.control for name, entry in self._entries.items() if entry.is_listed}

    def validate(self, name: str, value: object) -> ControlValue:
        """Return a value in the type of a control, listed or not. Raises `ControlError` if there is none, or for it."""
        if name not in self._entries:
            raise ControlError(f"there is no control {name[:64]!r}")
        return self._entries[name].control.validate(value)

    def set(self, name: str, value: ControlValue) -> None:
        """Set a control to a validated value, and read it.

        Raises `ControlError` when the driver does not take the value, and its `OSError` when it fails.
        """
        entry = self._entries[name]
        number = entry.numbers[str(value)] if entry.control.type == "menu" else int(value)
        try:
            self._v4l2.set_control(self._file, entry.id, number)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EBUSY, errno.EPERM}:
                raise ControlError(f"{name} cannot be set now: {self._advice(name)}") from error
            if error.errno in {errno.EINVAL, errno.ERANGE}:
                raise ControlError(f"{name}: the camera does not take {value}") from error
            raise
        control = replace(entry.control, value=value)
        with contextlib.suppress(OSError, ValueError):
            control = self._with_value(entry, self._v4l2.get_control(self._file, entry.id))
        self._entries[name] = replace(entry, control=control, is_listed=True)

    def _advice(self, name: str) -> str:
        """Return which automatic control to switch off, by the words that its name has in common."""
        active = [other for other, entry in self._entries.items() if other != name and _is_active(entry.control)]
        words = set(name.split("_")) - {"auto", "automatic"}
        related = [other for other in active if words & set(other.split("_"))]
        if not active:
            return "the driver does not allow it"
        return f"switch off {' or '.join(related or active)} first"

    def _descriptions(self) -> Iterator[Any]:
        """Yield the driver's description of each control, in the order of their ids."""
        query = self._v4l2.raw.v4l2_query_ext_ctrl()
        last = 0
        while True:
            query.id = last | _NEXT_CONTROL
            try:
                self._v4l2.ioctl(self._file, self._v4l2.IOC.QUERY_EXT_CTRL, query)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.ENOTTY}:
                    yield from self._standard_descriptions(last)
                return
            if query.id <= last:
                return
            last = query.id
            yield copy.deepcopy(query)

    def _standard_descriptions(self, after: int) -> Iterator[Any]:
        for identity in (number for numbers in _STANDARD_IDS for number in numbers if number > after):
            query = self._v4l2.raw.v4l2_query_ext_ctrl()
            query.id = identity
            with contextlib.suppress(OSError):
                self._v4l2.ioctl(self._file, self._v4l2.IOC.QUERY_EXT_CTRL, query)
                yield query

    def _add(self, raw: Any) -> None:  # noqa: ANN401  (linuxpy has no types)
        """Add a control. Raises `ValueError` for one that nobody can set, and the driver's `OSError`."""
        flags = self._v4l2.ControlFlag(raw.flags)
        if flags & (self._v4l2.ControlFlag.DISABLED | self._v4l2.ControlFlag.READ_ONLY):
            raise ValueError("it cannot be set")
        entry = self._described(raw)
        if not flags & self._v4l2.ControlFlag.WRITE_ONLY:
            with contextlib.suppress(OSError, ValueError):
                value = self._v4l2.get_control(self._file, raw.id)
                entry = replace(entry, control=self._with_value(entry, value), is_listed=True)
        self._entries[entry.control.name] = entry

    def _described(self, raw: Any) -> _Entry:  # noqa: ANN401  (linuxpy has no types)
        """Return a control with its default for its value. Raises `ValueError` for a type or range without sense."""
        kinds = self._v4l2.ControlType
        kind, name = kinds(raw.type), control_name(driver_text(raw.name)) or f"control_{raw.id:08x}"
        if name in self._entries:
            name = f"{name}_{raw.id:08x}"
        if kind == kinds.BOOLEAN:
            default = bool(raw.default_value)
            return _Entry(raw.id, Control(name, "boolean", default, default), {}, is_listed=False)
        if kind == kinds.INTEGER and raw.minimum < raw.maximum:
            number = min(max(raw.default_value, raw.minimum), raw.maximum)
            # A driver that counts down has a negative step, which is unsigned here, beyond any range.
            step = raw.step if 0 < raw.step <= raw.maximum - raw.minimum else 1
            control = Control(name, "integer", number, number, raw.minimum, raw.maximum, step)
            return _Entry(raw.id, control, {}, is_listed=False)
        if kind in {kinds.MENU, kinds.INTEGER_MENU} and (numbers := self._menu(raw)):
            named = {number: option for option, number in numbers.items()}
            option = named.get(raw.default_value, next(iter(numbers)))
            return _Entry(
                raw.id, Control(name, "menu", option, option, options=tuple(numbers)), numbers, is_listed=False
            )
        raise ValueError("it has no type or range that can be used")

    def _with_value(self, entry: _Entry, value: int) -> Control:
        """Return the control with a value that was read. Raises `ValueError` for one that is not in its menu."""
        control = entry.control
        if control.type == "boolean":
            return replace(control, value=bool(value))
        if control.type == "integer":
            return replace(control, value=int(min(max(value, control.minimum or 0), control.maximum or 0)))
        option = next((option for option, number in entry.numbers.items() if number == value), None)
        if option is None:
            raise ValueError(f"{value} is not in its menu")
        return replace(control, value=option)

    def _menu(self, raw: Any) -> dict[str, int]:  # noqa: ANN401  (linuxpy has no types)
        """Return the entries of a menu with their indexes. Indexes that the driver does not use are skipped."""
        numbers: dict[str, int] = {}
        is_integer = raw.type == self._v4l2.ControlType.INTEGER_MENU
        for index in range(max(0, raw.minimum), min(raw.maximum, _MAX_MENU_INDEX) + 1):
            menu = self._v4l2.raw.v4l2_querymenu()
            menu.id, menu.index = raw.id, index
            with contextlib.suppress(OSError):
                self._v4l2.ioctl(self._file, self._v4l2.IOC.QUERYMENU, menu)
                option = str(menu.value) if is_integer else driver_text(menu.name) or str(index)
                numbers[option if option not in numbers else f"{option} ({index})"] = index
            if len(numbers) == _MAX_OPTIONS:
                break
        return numbers


def control_name(text: str) -> str:
    """Return a control's name as v4l2-ctl writes it: in lower case, with _ for everything but letters and digits."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _is_active(control: Control) -> bool:
    if not is_automatic(control.name):
        return False
    return "manual" not in control.value.lower() if isinstance(control.value, str) else bool(control.value)
