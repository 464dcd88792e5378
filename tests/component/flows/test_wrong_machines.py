"""Two machines with one id, and a machine with another id at a known address, are reported."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # likewise
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)

from tests.component.conftest import FRONT, add_entry, issues, poll, state_of, until
from tests.component.support.fake_pi import IDENTITY, IDENTITY_KEY, NODE, Pi, example
from tests.component.support.flow_steps import by_address, by_multicast, submit


def telemetry(started_at: str) -> bytes:
    document: dict[str, Any] = json.loads(example("server_state.json"))
    return json.dumps(document | {"started_at": started_at}).encode()


async def say(pi_mqtt: MQTTClient, entry: MockConfigEntry, started_at: str) -> None:
    """Publish a state with this start time, and wait until Home Assistant knows it."""
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/state", telemetry(started_at), qos=1)
    await until(lambda: entry.runtime_data.data.telemetry.started_at.isoformat() == started_at)


TIMES = [f"2026-11-2{day}T10:00:00+00:00" for day in range(6)]


async def test_two_machines_with_one_id(
    hass: HomeAssistant, subscribed: None, loaded: MockConfigEntry, pi_mqtt: MQTTClient
) -> None:
    for started_at in TIMES[:2] * 2:
        await say(pi_mqtt, loaded, started_at)
    assert issues(hass, loaded) == {}
    await say(pi_mqtt, loaded, TIMES[0])
    assert set(issues(hass, loaded)) == {"twins"}
    await hass.config_entries.async_reload(loaded.entry_id)
    assert issues(hass, loaded) == {}


async def test_a_machine_that_restarts_often(
    hass: HomeAssistant, subscribed: None, loaded: MockConfigEntry, pi_mqtt: MQTTClient
) -> None:
    for started_at in TIMES:
        await say(pi_mqtt, loaded, started_at)
        await say(pi_mqtt, loaded, started_at)
    assert issues(hass, loaded) == {}


@pytest.fixture
async def copies() -> AsyncIterator[tuple[Pi, Pi]]:
    """Two running Pis that are copies of one SD card."""
    pis = (Pi(), Pi())
    for pi in pis:
        pi.token, pi.identity_key = "secret", IDENTITY_KEY
        await pi.start()
    yield pis
    for pi in pis:
        await pi.stop()


@pytest.mark.parametrize("found", ["announced", "typed"])
async def test_two_machines_with_one_id_without_mqtt(hass: HomeAssistant, copies: tuple[Pi, Pi], found: str) -> None:
    first, second = copies
    entry = add_entry(hass, url=first.url, token="secret", identity=IDENTITY)  # noqa: S106 - a test's
    if found == "announced":
        step = await by_multicast(hass, second.port)
    else:
        step = await submit(hass, await by_address(hass, second.url), token="secret")  # noqa: S106 - likewise
    assert step["reason"] == "already_configured"
    assert set(issues(hass, entry)) == {"twins"}
    assert entry.data["url"] == first.url
    asked = zip(second.requests, second.authorizations, strict=True)
    assert ("GET /api/identity", None) in {
        (request.partition("?")[0], authorization) for request, authorization in asked
    }


@pytest.mark.parametrize("case", ["two addresses", "an older server", "restarts now"])
async def test_one_machine_that_seems_to_be_two(hass: HomeAssistant, copies: tuple[Pi, Pi], case: str) -> None:
    first, second = copies
    if case == "two addresses":
        second.instance = first.instance
    elif case == "an older server":
        second.instance = None
    else:
        first.restarts = True
    entry = add_entry(hass, url=first.url, token="secret", identity=IDENTITY)  # noqa: S106 - a test's
    assert (await by_multicast(hass, second.port))["reason"] == "already_configured"
    assert issues(hass, entry) == {}


@pytest.mark.parametrize("code", ["duplicate_id", "duplicate_name"])
async def test_a_server_that_has_noticed_another_with_its_id(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, code: str
) -> None:
    pi.state["server"]["problems"] = [{"code": "something_else", "message": "it is"}]
    await poll(hass)
    assert issues(hass, loaded) == {}
    pi.state["server"]["problems"].append({"code": code, "message": "there is another"})
    await poll(hass)
    assert set(issues(hass, loaded)) == {"twins"}


async def test_another_server_at_the_address(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    pi.state["server"] |= {"id": "0" * 12, "name": "Attic Pi"}
    await poll(hass)
    assert state_of(hass, FRONT) == "unavailable"
    (found,) = issues(hass, loaded).values()
    assert found is not None
    assert (found["name"], found["other"], found["url"].replace("\\", "")) == ("Garden Pi", "Attic Pi", pi.url)
    pi.state["server"]["id"] = NODE
    await poll(hass)
    assert issues(hass, loaded) == {}
    assert state_of(hass, FRONT) != "unavailable"


@pytest.mark.parametrize("other", ["added too", "unknown", "the same", "an older one"])
async def test_another_server_at_the_address_that_wants_another_token(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, other: str
) -> None:
    """Two Pis have got each other's address, and each has a token of its own."""
    attic = "0" * 12
    if other == "added too":
        MockConfigEntry(domain="pi_mjpeg", title="Attic Pi", unique_id=attic).add_to_hass(hass)
    pi.token = "secret"  # noqa: S105 - likewise
    pi.identity_key = None if other == "an older one" else IDENTITY_KEY
    if other != "the same":
        pi.state["server"] |= {"id": attic, "name": "Attic Pi"}
    await poll(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert state_of(hass, FRONT) == "unavailable"
    found = [(each or {})["other"] for each in issues(hass, loaded).values()]
    assert found == {"added too": ["Attic Pi"], "unknown": [attic]}.get(other, [])
    pi.state["server"]["id"] = NODE
    pi.token = None
    await hass.config_entries.async_reload(loaded.entry_id)
    assert issues(hass, loaded) == {}
