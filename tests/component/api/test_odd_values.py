"""One value that is wrong costs that value and nothing else, in every document and every field."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from custom_components.pi_mjpeg.api.documents import (
    DocumentError,
    parse_announcement,
    parse_camera_state,
    parse_controls,
    parse_error,
    parse_server_state,
    parse_snapshot,
    parse_state,
    parse_zeroconf,
)
from tests.component.support.fake_pi import NODE, example

ODD: list[object] = [
    *(None, True, -1, 0.5, 1e300, 2**70, "", "x" * 300, "a\0b", "\u202eb", [], {}, [[]], [7], {"a": 1}),
    *("1970-01-01T00:00:12Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T09:00:00"),
    *("1999-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "../../etc/passwd", "asleep"),
]
ABSENT = object()

STRICT = {"schema", "server", "server.id", "cameras"}
"""What a state cannot do without."""


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 - JSON of any shape
    """Yield the path of each value in a document, and of each object and list."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, str(index)))


def with_value(document: object, path: tuple[str, ...], value: object) -> Any:  # noqa: ANN401 - likewise
    """Return a copy of the document with another value at `path`, or with none."""
    copy: Any = json.loads(json.dumps(document))
    inner = copy
    *steps, last = [int(step) if step.isdigit() else step for step in path]
    for step in steps:
        inner = inner[step]
    if value is not ABSENT:
        inner[last] = value
    elif isinstance(inner, dict):
        del inner[last]
    return copy


def differences(one: object, other: object, path: str = "") -> set[str]:
    """Return the paths of the parsed values that are not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            different
            for key in one.keys() | other.keys()
            for different in differences(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
        }
    return set() if one == other else {path}


def parsed(parse: Callable[[bytes], Any], document: object) -> dict[str, Any]:
    return asdict(parse(json.dumps(document).encode()))


def announcement(payload: bytes) -> Any:  # noqa: ANN401 - a model
    return parse_announcement(f"pi_mjpeg/discovery/{NODE}/config", payload)


STATE = json.loads(example("api_state.json"))
for _camera in STATE["cameras"]:
    _camera["snapshot"] = json.loads(example("snapshot.json").replace("front", _camera["id"]))
STATE["cameras"][0]["controls"].append(
    {**STATE["cameras"][0]["controls"][0], "name": "Mode", "type": "menu", "value": "a", "options": ["a", "b"]}
)


@pytest.mark.parametrize("path", list(leaves(STATE)), ids=".".join)
def test_in_the_state(path: tuple[str, ...]) -> None:
    right = parsed(parse_state, STATE)
    for value in [*ODD, ABSENT]:
        document = with_value(STATE, path, value)
        if path == ("cameras",) and isinstance(value, list):
            # What is no camera is left out of the list.
            assert parsed(parse_state, document)["cameras"] == {}
            continue
        if ".".join(path) in STRICT:
            if path == ("server", "id") and value == "asleep":
                continue
            with pytest.raises(DocumentError):
                parse_state(json.dumps(document).encode())
            continue
        cost = differences(right, parsed(parse_state, document))
        match path:
            case ["cameras", index] | ["cameras", index, "id"]:
                camera = STATE["cameras"][int(index)]["id"]
                assert {each.split(".")[1] for each in cost} <= {camera, str(value)}
            case ["cameras", _, ("controls" | "snapshot") as part, *_]:
                assert {each.split(".")[2] for each in cost} <= {part}
            case _:
                assert len(cost) <= 1, (path, value)


@pytest.mark.parametrize(
    ("name", "parse", "strict"),
    [
        ("camera_state.json", parse_camera_state, {"schema"}),
        ("server_state.json", parse_server_state, {"schema"}),
        ("snapshot.json", parse_snapshot, {"schema", "id", "url"}),
        ("error.json", parse_error, {"error", "error.code"}),
    ],
)
def test_in_what_is_told_besides(name: str, parse: Callable[[bytes], Any], strict: set[str]) -> None:
    document = json.loads(example(name))
    right = parsed(parse, document)
    for path in leaves(document):
        for value in [*ODD, ABSENT]:
            odd = with_value(document, path, value)
            if ".".join(path) not in strict:
                assert len(differences(right, parsed(parse, odd))) <= 1, (path, value)
            elif not isinstance(value, str):
                with pytest.raises(DocumentError):
                    parse(json.dumps(odd).encode())


@pytest.mark.parametrize("field", ["name", "model", "sw_version", "mac", "auth"])
def test_in_an_announcement_of_the_server(field: str) -> None:
    document = json.loads(example("announcement.json"))
    for value in [*ODD, ABSENT]:
        cost = differences(parsed(announcement, document), parsed(announcement, with_value(document, (field,), value)))
        assert cost <= {field}


@pytest.mark.parametrize("field", ["name", "model", "width", "height", "fps"])
def test_in_an_announcement_of_a_camera(field: str) -> None:
    document = json.loads(example("announcement.json"))
    for value in [*ODD, ABSENT]:
        announced = announcement(json.dumps(with_value(document, ("cameras", "0", field), value)).encode())
        assert announced.id == NODE
        assert [camera.id for camera in announced.cameras] == ["front", "shed"]


@pytest.mark.parametrize("field", ["name", "auth", "version"])
def test_in_a_record_of_multicast_dns(field: str) -> None:
    record: dict[str, object] = {"id": NODE, "name": "Pi", "auth": "none", "scheme": "http", "version": "1"}
    for value in ODD:
        found = parse_zeroconf("127.0.0.1", 8000, record | {field: value})
        assert (found.id, str(found.urls[0])) == (NODE, "http://127.0.0.1:8000")
        assert found.name in ("Pi", NODE, value)
        assert found.name.isprintable()


def test_a_name_that_is_wrong_is_that_of_the_id() -> None:
    state = with_value(with_value(STATE, ("server", "name"), "\u202egpj"), ("cameras", "0", "name"), "x\n" * 9)
    server = parse_state(json.dumps(state).encode())
    assert (server.name, server.cameras["front"].name) == (NODE, "front")


def test_two_cameras_with_one_id_are_the_first() -> None:
    cameras = parse_state(json.dumps(with_value(STATE, ("cameras", "1", "id"), "front")).encode()).cameras
    assert [camera.name for camera in cameras.values()] == ["Front door"]


def test_in_the_answer_to_a_change_of_controls_a_wrong_list_is_not_an_empty_one() -> None:
    controls = STATE["cameras"][0]["controls"]
    assert "Mode" in parse_controls(json.dumps({"controls": [7, {}, *controls]}).encode())
    wrongs: list[object] = ["x", None, {}, [{}] * 65]
    for wrong in wrongs:
        with pytest.raises(DocumentError):
            parse_controls(json.dumps({"controls": wrong}).encode())
