"""A document within the size limits costs little, whatever it holds."""

import json
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
import voluptuous as vol

from custom_components.pi_mjpeg.api.documents import (
    DocumentError,
    parse_announcement,
    parse_camera_state,
    parse_controls,
    parse_server_state,
    parse_snapshot,
    parse_state,
    parse_zeroconf,
)
from custom_components.pi_mjpeg.api.shapes import count_of, document, list_of, one_of, optional
from custom_components.pi_mjpeg.const import MAX_ANNOUNCEMENT_BYTES, MAX_MESSAGE_BYTES, MAX_STATE_BYTES
from tests.component.support.fake_pi import NODE, example

MAX_SECONDS = 0.3
"""Each of these takes less than 0.02 s. A list that is read before it is measured takes from 0.4 s to 9 s."""


class Counting:
    """A validator that counts its calls, and refuses what is not a number."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, value: object) -> int:
        """Validate a value."""
        self.calls += 1
        if not isinstance(value, int):
            raise vol.Invalid("expected a number")
        return value


def test_a_list_that_is_too_long_is_not_read() -> None:
    item = Counting()
    for validate in (list_of(item, 3), list_of(optional(item), 3), count_of(3)):
        with pytest.raises(vol.Invalid, match="at most 3"):
            validate([1] * 4)
    assert item.calls == 0
    assert list_of(item, 3)([1, 2, 3]) == [1, 2, 3]


def test_the_first_error_ends_the_validation_and_says_where_it_is() -> None:
    item = Counting()
    validate = document({"first": list_of(document({"a": item}), 16), "second": item})
    with pytest.raises(vol.Invalid) as caught:
        validate({"first": [{"a": 1}, {"a": "x"}, {"a": "x"}, {}], "second": "x"})
    assert (caught.value.path, item.calls) == (["first", 1, "a"], 2)
    with pytest.raises(vol.Invalid) as caught:
        validate({"second": 1})
    assert (caught.value.path, item.calls) == (["first"], 2)


@pytest.mark.parametrize("value", [[], {}, None, 1, ["a"]])
def test_a_word_is_none_of_the_things_that_json_has_besides(value: object) -> None:
    with pytest.raises(vol.Invalid, match="one of a, b"):
        one_of("a", "b")(value)


def filled(make: Callable[[int], object], limit: int) -> bytes:
    """Return the largest document below `limit` bytes that `make` gives for some number."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if len(json.dumps(make(middle), separators=(",", ":"))) < limit:
            low = middle
        else:
            high = middle - 1
    return json.dumps(make(low), separators=(",", ":")).encode()


def changed(name: str, path: str, item: object) -> Callable[[int], object]:
    """Return a function that gives the document of this name, with so many items in the list at `path`."""

    def make(count: int) -> object:
        whole: Any = json.loads(example(name))
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        inner = whole
        for step in steps:
            inner = inner[step]
        inner[last] = [item] * count
        return whole

    return make


STATE = json.loads(example("api_state.json"))
CAMERA = STATE["cameras"][0]
CONTROL = CAMERA["controls"][0]


def within_limits(cameras: int, controls: object, *, control_count: int) -> bytes:
    several = [{**CAMERA, "id": f"camera{number}", "controls": [controls] * control_count} for number in range(cameras)]
    return json.dumps({**STATE, "cameras": several}, separators=(",", ":")).encode()


@pytest.mark.parametrize("item", [{}, [], 0, "", None])
@pytest.mark.parametrize(
    "path",
    ["cameras", "cameras.0.controls", "cameras.0.controls.0.options", "cameras.0.viewers", "server.throttled", "extra"],
)
def test_a_state_full_of_anything_is_read_in_no_time(path: str, item: object) -> None:
    payload = filled(changed("api_state.json", path, item), MAX_STATE_BYTES)
    began = perf_counter()
    try:
        parse_state(payload)
    except DocumentError:
        assert path != "extra"
    assert perf_counter() - began < MAX_SECONDS


@pytest.mark.parametrize(
    "payload",
    [
        within_limits(16, {}, control_count=64),
        within_limits(16, {**CONTROL, "options": [0] * 8}, control_count=64),
        within_limits(16, {**CONTROL, "name": "\u2003" * 20}, control_count=64),
        within_limits(3, {**CONTROL, "options": ["x"] * 64}, control_count=64),
        within_limits(16, CONTROL, control_count=64),
        b"[" * MAX_STATE_BYTES,
        b'{"a":' * 50_000,
        b'{"schema":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"schema":[' + b"0," * 100_000 + b"0]}",
        b'{"schema":' + b"1" * 200_000 + b"}",
    ],
)
def test_a_state_within_the_limits_of_its_lists_is_read_in_no_time(payload: bytes) -> None:
    message = ""
    began = perf_counter()
    try:
        parse_state(payload)
    except DocumentError as error:
        message = str(error)
    assert len(message) < 200
    assert perf_counter() - began < MAX_SECONDS


def test_a_camera_has_at_most_512_options_in_all() -> None:
    menu = {**CONTROL, "type": "menu", "value": "x", "options": ["x"] * 64}
    state = {**STATE, "cameras": [{**CAMERA, "controls": [{**menu, "name": str(number)} for number in range(8)]}]}
    assert len(parse_state(json.dumps(state).encode()).cameras["front"].controls) == 8
    state["cameras"][0]["controls"].append({**menu, "name": "one more", "options": ["x"]})
    front = parse_state(json.dumps(state).encode()).cameras["front"]
    assert (front.controls, front.available) == ({}, True)
    with pytest.raises(DocumentError, match="at most 512 options"):
        parse_controls(json.dumps({"controls": state["cameras"][0]["controls"]}).encode())


@pytest.mark.parametrize("item", [{}, [], 0])
@pytest.mark.parametrize(("name", "path"), [("announcement.json", "cameras"), ("server_state.json", "throttled")])
def test_a_message_full_of_anything_is_refused_in_no_time(name: str, path: str, item: object) -> None:
    payload = filled(changed(name, path, item), MAX_ANNOUNCEMENT_BYTES)
    began = perf_counter()
    for parse in (
        lambda: parse_announcement(f"pi_mjpeg/discovery/{NODE}/config", payload),
        lambda: parse_server_state(payload),
        lambda: parse_camera_state(payload),
        lambda: parse_snapshot(payload + b" " * MAX_MESSAGE_BYTES),
        lambda: parse_zeroconf("127.0.0.1", 8000, {str(number): "x" * 200 for number in range(500)}),
    ):
        with pytest.raises(DocumentError):
            parse()
    assert perf_counter() - began < MAX_SECONDS
