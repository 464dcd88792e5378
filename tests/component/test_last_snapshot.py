"""*Last snapshot* is the one that the server keeps: after a reload, without MQTT, and until the server forgets it."""

import asyncio
import json
from dataclasses import replace
from typing import Any, ClassVar, Self, cast

import pytest
from aiohttp import web
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.documents import parse_snapshot
from custom_components.pi_mjpeg.api.models import Snapshot
from custom_components.pi_mjpeg.api.snapshot_check import SnapshotCheck
from tests.component.conftest import FRONT, IMAGE, refresh, state_of, state_on_its_way, until
from tests.component.support.fake_pi import NODE, Pi, example, jpeg

TOPIC = f"pi_mjpeg/{NODE}/front/snapshot"
TEN = "2026-11-22T10:00:00+00:00"


def snapshot(**changes: object) -> dict[str, Any]:
    document: dict[str, Any] = {**json.loads(example("snapshot.json")), **changes}
    return document


async def picture(hass_client: ClientSessionGenerator) -> tuple[int, bytes]:
    response = await (await hass_client()).get(f"/api/image_proxy/{IMAGE}")
    return response.status, await response.read()


async def test_it_outlives_a_reload_without_mqtt(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    await hass.services.async_call("button", "press", {"entity_id": "button.front_door_take_snapshot"}, blocking=True)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert state_of(hass, IMAGE) == TEN
    assert await picture(hass_client) == (200, jpeg(8))


async def test_one_that_the_server_forgot_is_unknown(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.camera()["snapshot"] = snapshot()
    await refresh(loaded)
    assert state_of(hass, IMAGE) == TEN
    pi.camera()["snapshot"] = None
    await refresh(loaded)
    assert state_of(hass, IMAGE) == "unknown"
    assert (await picture(hass_client))[0] == 500


async def test_an_address_that_is_signed_no_longer_makes_home_assistant_ask_for_the_new_one(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    async def signed(request: web.Request) -> web.StreamResponse:
        if request.query["sig"] == "new":
            return web.Response(body=jpeg(9), content_type="image/jpeg")
        return web.json_response({"error": {"code": "not_found", "message": "no such snapshot"}}, status=404)

    kept = snapshot()
    pi.answers[f"/snapshots/{kept['id']}.jpg"] = signed
    pi.camera()["snapshot"] = kept
    await refresh(loaded)
    kept["url"] = kept["url"].partition("?")[0] + "?sig=new"
    assert (await picture(hass_client))[0] == 500
    await until(lambda: pi.requests[-1] == "GET /api/state")
    await hass.async_block_till_done()
    assert await picture(hass_client) == (200, jpeg(9))


async def test_what_the_broker_remembers_counts_less_than_what_the_server_says(
    hass: HomeAssistant, pi_mqtt: MQTTClient, with_mqtt: None, entry: MockConfigEntry, pi: Pi
) -> None:
    pi.camera()["snapshot"] = snapshot(id="front-20261122T120000000Z-9f3a61c2")
    await pi_mqtt.publish(TOPIC, example("snapshot.json").encode(), qos=1, retain=True)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: pi.requests.count("GET /api/state") == 2)
    await hass.async_block_till_done()
    assert state_of(hass, IMAGE) == "2026-11-22T12:00:00+00:00"


async def test_with_an_old_server_what_the_broker_remembers_counts(
    hass: HomeAssistant, pi_mqtt: MQTTClient, with_mqtt: None, entry: MockConfigEntry, pi: Pi
) -> None:
    for camera in pi.state["cameras"]:
        del camera["enabled"], camera["snapshot"]
    await pi_mqtt.publish(TOPIC, example("snapshot.json").encode(), qos=1, retain=True)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: state_of(hass, IMAGE) == TEN)
    await refresh(entry)
    assert state_of(hass, IMAGE) == TEN


@pytest.mark.parametrize("value", ["../../etc", None, 7, [], {}])
@pytest.mark.parametrize(("field", "shown"), [("id", False), ("url", False), ("width", True), ("bytes", True)])
async def test_a_snapshot_that_is_not_in_the_contract_is_no_reason_to_hide_a_camera(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, field: str, value: object, *, shown: bool
) -> None:
    pi.camera()["snapshot"] = snapshot(**{field: value})
    await refresh(loaded)
    assert state_of(hass, IMAGE) == (TEN if shown else "unknown")
    assert state_of(hass, FRONT) != "unavailable"
    assert state_of(hass, "camera.shed") == "unavailable"


async def test_a_snapshot_of_a_server_whose_clock_is_not_set_is_shown_without_a_time(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.camera()["snapshot"] = snapshot(id="front-19700101T000007123Z-9f3a61c2", time="1970-01-01T00:00:07.123Z")
    await refresh(loaded)
    assert state_of(hass, IMAGE) == "unknown"
    assert await picture(hass_client) == (200, jpeg(8))


async def test_a_state_that_was_on_its_way_does_not_bring_an_older_snapshot_back(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    async with state_on_its_way(loaded, pi):
        await hass.services.async_call(
            "button", "press", {"entity_id": "button.front_door_take_snapshot"}, blocking=True
        )
    assert state_of(hass, IMAGE) == TEN


async def test_a_snapshot_of_another_camera_is_not_shown(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    pi.camera()["snapshot"] = snapshot(id="shed-20261122T100000000Z-9f3a61c2")
    await refresh(loaded)
    assert state_of(hass, IMAGE) == "unknown"


FORGED = snapshot(id="front-20261122T235900000Z-00000000")
"""One that the server never took."""


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("payload", [json.dumps(FORGED), ""])
async def test_a_forged_message_changes_nothing(
    hass: HomeAssistant,
    pi_mqtt: MQTTClient,
    subscribed: MockConfigEntry,
    pi: Pi,
    payload: str,
    *,
    retain: bool,
) -> None:
    pi.camera()["snapshot"] = snapshot()
    await refresh(subscribed)
    seen: list[str] = []
    hass.bus.async_listen("state_changed", lambda event: seen.append(event.data["entity_id"]))
    asked = pi.requests.count("GET /api/state")
    await pi_mqtt.publish(TOPIC, payload.encode(), qos=1, retain=retain)
    await until(lambda: pi.requests.count("GET /api/state") > asked)
    await hass.async_block_till_done()
    assert state_of(hass, IMAGE) == TEN
    assert IMAGE not in seen


@pytest.mark.parametrize("payload", [json.dumps(FORGED), ""])
async def test_an_old_server_has_to_give_the_picture_first(
    hass: HomeAssistant, pi_mqtt: MQTTClient, subscribed: MockConfigEntry, pi: Pi, payload: str
) -> None:
    for camera in pi.state["cameras"]:
        del camera["enabled"], camera["snapshot"]
    await refresh(subscribed)
    await pi_mqtt.publish(TOPIC, example("snapshot.json").encode(), qos=1)
    await until(lambda: state_of(hass, IMAGE) == TEN)

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"code": "not_found", "message": "no such snapshot"}}, status=404)

    pi.answers[f"/snapshots/{FORGED['id']}.jpg"] = refuse
    asked = len(pi.requests)
    await pi_mqtt.publish(TOPIC, payload.encode(), qos=1)
    await until(lambda: "GET /snapshots/" in "".join(pi.requests[asked:]))
    await hass.async_block_till_done()
    assert state_of(hass, IMAGE) == TEN


async def test_an_old_server_is_asked_for_one_picture_a_second_however_many_are_named() -> None:
    class Client:
        asked: ClassVar[list[str]] = []

        @property
        def kept(self) -> Self:
            return self

        async def snapshot(self, named: Snapshot) -> bytes:
            self.asked.append(named.id)
            await asyncio.sleep(0)
            return b""

    kept: list[str] = []
    check = SnapshotCheck(
        cast("PiMjpegClient", Client()),
        lambda _, named: kept.append(named.id),
        lambda *_: None,
        pause=0.05,
    )
    names = [
        replace(parse_snapshot(example("snapshot.json")), id=f"front-20261122T1000{second:02}000Z-9f3a61c2")
        for second in range(60)
    ]
    await asyncio.gather(*(check.check("front", name) for name in names))
    assert kept == Client.asked == [names[0].id, names[-1].id]
