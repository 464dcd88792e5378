"""Every document of the contract is parsed, and invalid ones are refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from custom_components.pi_mjpeg.api.documents import (
    DocumentError,
    UnknownSchemaError,
    parse_announcement,
    parse_camera_state,
    parse_error,
    parse_server_state,
    parse_snapshot,
    parse_state,
    parse_zeroconf,
)
from custom_components.pi_mjpeg.api.models import CameraTelemetry, ServerMessage, ServerTelemetry, Snapshot
from custom_components.pi_mjpeg.api.validators import escape_markdown
from tests.component.support.fake_pi import NODE, example

TOPIC = f"pi_mjpeg/discovery/{NODE}/config"
TEN = datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_the_announcement() -> None:
    announcement = parse_announcement(TOPIC, example("announcement.json"))
    assert (announcement.id, announcement.name, announcement.auth) == (NODE, "Garden Pi", "token")
    assert announcement.base_url == URL("http://192.168.1.20:8000")
    front, shed = announcement.cameras
    assert (front.id, front.width, front.height, front.fps) == ("front", 1280, 720, 30)
    assert front.command_topic == f"pi_mjpeg/{NODE}/front/command"
    assert (shed.model, shed.width) == (None, None)


def test_a_server_in_a_container_has_no_mac_and_no_temperature() -> None:
    announcement = json.loads(example("announcement.json"))
    announcement["mac"] = None
    assert parse_announcement(TOPIC, json.dumps(announcement)).mac is None
    state = json.loads(example("api_state.json"))
    state["server"] |= {"mac": None, "temperature": None}
    server = parse_state(json.dumps(state).encode())
    assert (server.mac, server.telemetry.temperature) == (None, None)


def test_the_state() -> None:
    server = parse_state(example("api_state.json").encode())
    assert (server.id, server.version, server.mac) == (NODE, "0.1.0", "dc:a6:32:00:00:01")
    assert server.telemetry.temperature == 48.3
    front, shed = server.cameras["front"], server.cameras["shed"]
    assert (front.available, front.telemetry.state, front.telemetry.viewers, front.telemetry.fps) == (
        True,
        "live",
        2,
        29.9,
    )
    assert (shed.available, shed.telemetry.state, shed.width) == (False, "failing", None)
    assert shed.telemetry.reason == "/dev/video0 is not there: unplugged?"


def test_the_telemetry() -> None:
    assert parse_camera_state(example("camera_state.json")) == CameraTelemetry(
        state="failing",
        reason="No camera number 0 found",
        since=TEN,
        fps=0,
        viewers=2,
        drops=3,
        restarts=1,
        last_error="No camera number 0 found",
        enabled=json.loads(example("camera_state.json")).get("enabled"),
    )
    assert parse_server_state(example("server_state.json")) == ServerTelemetry(
        started_at=TEN.replace(hour=9), viewers=2, temperature=48.3, throttled=("under_voltage",)
    )


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"type": "integer", "value": 0}, True),
        ({"minimum": 2.0}, False),
        ({"maximum": None}, False),
        ({"value": True}, False),
        ({"type": "boolean"}, False),
        ({"type": "boolean", "value": True}, True),
        ({"type": "menu", "value": "Auto", "options": ["Auto", "Off"]}, True),
        ({"type": "menu", "value": "Auto", "options": ["Off"]}, False),
    ],
)
def test_an_invalid_control_is_left_out_and_the_camera_works(changes: dict[str, Any], *, kept: bool) -> None:
    state = json.loads(example("api_state.json"))
    state["cameras"][0]["controls"][0].update(changes)
    camera = parse_state(json.dumps(state).encode()).cameras["front"]
    assert ("Brightness" in camera.controls) is kept


@pytest.mark.parametrize(("host", "port"), [("fe80::1%eth0/x", 1), ("a b", 1), ("", 1), ("pi", 0)])
def test_an_invalid_address_is_refused(host: str, port: int) -> None:
    with pytest.raises(DocumentError):
        parse_zeroconf(host, port, {"id": "a", "name": "A", "auth": "none", "scheme": "http", "version": "1"})


def test_an_ipv6_address_is_one() -> None:
    discovered = parse_zeroconf(
        "2001:db8::1", 8000, {"id": "a", "name": "A", "auth": "token", "scheme": "https", "version": "1"}
    )
    assert [str(url) for url in discovered.urls] == ["https://[2001:db8::1]:8000"]


def test_the_state_names_the_last_snapshot_of_each_camera() -> None:
    state = json.loads(example("api_state.json"))
    cameras = parse_state(json.dumps(state).encode()).cameras
    assert cameras["front"].snapshot == parse_snapshot(example("snapshot.json"))
    assert cameras["shed"].snapshot is None
    state["cameras"][1]["snapshot"] = state["cameras"][0].pop("snapshot")
    cameras = parse_state(json.dumps(state).encode()).cameras
    assert (cameras["front"].snapshot, cameras["shed"].snapshot) == (None, None)


def test_the_snapshot_with_and_without_the_fields_of_mqtt() -> None:
    document = json.loads(example("snapshot.json"))
    pushed = parse_snapshot(json.dumps(document))
    assert pushed == Snapshot(
        id="front-20261122T100000000Z-9f3a61c2",
        signature="Yk1vY2tfc2lnbmF0dXJlX29mXzI1Nl9iaXRzX18",
        width=1280,
        height=720,
        bytes=91234,
    )
    assert (pushed.camera, pushed.time, pushed.width, pushed.bytes) == ("front", TEN, 1280, 91234)
    del document["schema"], document["trigger"]
    assert parse_snapshot(json.dumps(document), numbered=False) == pushed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "front"),
        ("id", "front-20261122T100000000Z-9F3A61C2"),
        ("id", "../front-20261122T100000000Z-9f3a61c2"),
        ("id", "f" * 65 + "-20261122T100000000Z-9f3a61c2"),
        ("url", "http://192.168.1.20:8000/snapshots/x.jpg"),
        ("url", "http://192.168.1.20:8000/snapshots/x.jpg?sig="),
        ("url", "http://192.168.1.20:8000/snapshots/x.jpg?sig=a%26b"),
        ("url", "file:///etc/passwd?sig=abc"),
    ],
)
def test_a_snapshot_without_an_id_or_a_signature_is_refused(field: str, value: str) -> None:
    document = {**json.loads(example("snapshot.json")), field: value}
    with pytest.raises(DocumentError, match=field):
        parse_snapshot(json.dumps(document))


def test_neither_the_host_nor_the_time_of_a_snapshot_is_taken_from_the_message() -> None:
    document = json.loads(example("snapshot.json"))
    forged = document | {"url": "http://evil.example/x?sig=" + document["url"].partition("sig=")[2]}
    forged |= {"time": "2026-11-22T23:59:00Z", "width": 1}
    snapshot = parse_snapshot(json.dumps(forged))
    assert snapshot == parse_snapshot(json.dumps(document))
    assert snapshot.time == TEN
    assert "evil" not in repr(snapshot)


def test_the_error() -> None:
    assert parse_error(example("error.json").encode()) == ServerMessage(
        code="camera_unavailable", message="Shed: /dev/video0 is not there: unplugged?"
    )


def test_fields_that_a_newer_server_adds_are_ignored() -> None:
    document = json.loads(example("announcement.json"))
    document["colour"] = {"of": "the case"}
    document["cameras"][0]["lens"] = "wide"
    assert parse_announcement(TOPIC, json.dumps(document)) == parse_announcement(TOPIC, example("announcement.json"))


@pytest.mark.parametrize("schema", [0, 2, "1", True, None, [1]])
def test_another_schema_is_refused_with_advice(schema: object) -> None:
    document = {**json.loads(example("announcement.json")), "schema": schema}
    with pytest.raises(UnknownSchemaError, match="update the older one"):
        parse_announcement(TOPIC, json.dumps(document))


@pytest.mark.parametrize(
    "payload",
    ["", "null", "[]", "7", '"text"', "{", '{"schema": NaN}', "[" * 60_000, '{"a":' * 5_000, b"\xff\xfe", "x" * 70_000],
)
def test_payloads_that_are_no_documents_are_refused(payload: str | bytes) -> None:
    with pytest.raises(DocumentError):
        parse_announcement(TOPIC, payload)


def test_a_document_that_is_too_large_is_not_even_parsed() -> None:
    with pytest.raises(DocumentError, match="larger than 32768 bytes"):
        parse_announcement(TOPIC, example("announcement.json") + " " * 32768)
    with pytest.raises(DocumentError, match="larger than 32768 bytes"):
        parse_announcement(TOPIC, example("announcement.json").replace("Garden", "\u2003" * 11000))
    with pytest.raises(DocumentError, match="larger than 8192 bytes"):
        parse_camera_state(example("camera_state.json") + " " * 8192)
    with pytest.raises(DocumentError, match="larger than 8192 bytes"):
        parse_server_state(example("server_state.json") + " " * 8192)


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(document: Any) -> None:  # noqa: ANN401 - JSON of any shape
        for step in steps:
            document = document[step]
        document[last] = value

    return change


HOSTILE_URLS = [
    "ftp://192.168.1.20:8000",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "http://",
    "http:///cameras",
    "192.168.1.20:8000",
    "//192.168.1.20",
    "http://user@192.168.1.20:8000",
    "http://user:secret@192.168.1.20:8000",
    "http://@192.168.1.20:8000",
    "http://192.168.1.20:99999",
    "http://192.168.1.20:8000/\r\nX: y",
    "http://192.168.1.20\t:8000",
    "http://192.168.1.20:8000 ",
    "http://192.168.1.20\\@elsewhere",
    "http://[::1",
    "http://192.168.1.20:8000#x",
    "http://" + "a" * 1100,
    7,
    None,
]

BROKEN = [
    *[("base_url", url) for url in HOSTILE_URLS],
    *[("cameras.0.stream_url", url) for url in HOSTILE_URLS],
    ("base_url", "http://192.168.1.20:8000?x=1"),
    ("cameras.0.stream_url", "http://elsewhere:8000/cameras/front/stream"),
    ("cameras.0.stream_url", "https://192.168.1.20:8000/cameras/front/stream"),
    ("cameras.1.snapshot_url", "http://192.168.1.20:8001/cameras/shed/snapshot.jpg"),
    ("id", "other"),
    ("id", "5B2C"),
    ("id", "5b2c_7f0e"),
    ("id", "a" * 65),
    ("id", ""),
    ("id", "../x"),
    ("id", "5b2c7f0e9a41\n"),
    ("availability_topic", "homeassistant/status"),
    ("availability_topic", "pi_mjpeg/+/availability"),
    ("cameras", {}),
    ("cameras.0.id", "Front"),
    ("cameras.0.id", "shed"),
    ("cameras.0.id", "front/../shed"),
    ("cameras.0.command_topic", "homeassistant/device/x/config"),
    ("cameras.0.state_topic", f"pi_mjpeg/{NODE}/shed/state"),
]


@pytest.mark.parametrize(("field", "value"), BROKEN)
def test_an_announcement_with_one_wrong_field_is_refused(field: str, value: object) -> None:
    document = json.loads(example("announcement.json"))
    _set(field, value)(document)
    with pytest.raises(DocumentError):
        parse_announcement(TOPIC, json.dumps(document))


@pytest.mark.parametrize("field", ["id", "base_url", "availability_topic", "cameras"])
def test_an_announcement_that_lacks_what_it_is_about_is_refused(field: str) -> None:
    document = json.loads(example("announcement.json"))
    del document[field]
    with pytest.raises(DocumentError):
        parse_announcement(TOPIC, json.dumps(document))


def test_an_announcement_of_too_many_cameras_is_refused() -> None:
    document = json.loads(example("announcement.json").replace("front", "N"))
    (camera, _) = (json.dumps(camera) for camera in document["cameras"])
    document["cameras"] = [json.loads(camera.replace("N", f"camera{number}")) for number in range(17)]
    with pytest.raises(DocumentError, match="cameras"):
        parse_announcement(TOPIC, json.dumps(document))
    document["cameras"].pop()
    assert len(parse_announcement(TOPIC, json.dumps(document)).cameras) == 16


def test_an_announcement_on_the_topic_of_another_node_is_refused() -> None:
    with pytest.raises(DocumentError, match="the topic"):
        parse_announcement("pi_mjpeg/discovery/other/config", example("announcement.json"))


def test_a_time_of_another_zone_is_read_as_utc() -> None:
    document = json.loads(example("server_state.json")) | {"started_at": "2026-11-22T11:00:00+01:00"}
    started_at = parse_server_state(json.dumps(document)).started_at
    assert started_at is not None
    assert (started_at, started_at.tzinfo) == (TEN, UTC)


def test_a_drivers_odd_sentence_does_not_cost_the_state() -> None:
    document = json.loads(example("api_state.json"))
    document["cameras"][1]["last_error"] = "first\nsecond" + "x" * 1000
    error = parse_state(json.dumps(document).encode()).cameras["shed"].telemetry.last_error
    assert error is not None
    assert error.startswith("first second")
    assert len(error) == 256


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ["id", "name", "mac", "base_url", "cameras", "cameras.0", "cameras.0.id", "cameras.0.stream_url", "auth"]


@given(field=st.sampled_from(FIELDS), value=JSON)
def test_any_value_in_any_field_raises_nothing_but_the_documents_own_error(field: str, value: object) -> None:
    document = json.loads(example("announcement.json"))
    _set(field, value)(document)
    try:
        parse_announcement(TOPIC, json.dumps(document))
    except DocumentError:
        return


def test_a_name_cannot_bring_markdown_into_a_dialog() -> None:
    assert escape_markdown("[Pi](http://evil) <img> *x*") == r"\[Pi\]\(http\:\/\/evil\) \<img\> \*x\*"
    assert escape_markdown("Küche 2") == "Küche 2"
