"""While a server tells its events, `offline` over MQTT is checked: a broker that is stopped says it of every server."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)

from custom_components.pi_mjpeg.api import offline_check
from tests.component.conftest import FRONT, state_of, until
from tests.component.support.fake_pi import NODE, Pi

STATE = "GET /api/state"

type Publish = Callable[[str], Awaitable[None]]


@pytest.fixture
def pi(pi: Pi) -> Pi:
    """A Pi that tells its events."""
    pi.has_events = True
    return pi


@pytest.fixture
async def publish(
    hass: HomeAssistant, subscribed: None, loaded: MockConfigEntry, pi: Pi, pi_mqtt: MQTTClient
) -> Publish:
    """Publish the availability of a server whose events are heard."""
    await until(lambda: loaded.runtime_data.has_events)
    await hass.async_block_till_done()

    async def publish_availability(payload: str) -> None:
        await pi_mqtt.publish(f"pi_mjpeg/{NODE}/availability", payload.encode(), qos=1)

    return publish_availability


async def test_a_server_that_answers_is_not_offline(
    hass: HomeAssistant, publish: Publish, pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        before = pi.requests.count(STATE)
        await publish("offline")
        await until(lambda before=before: pi.requests.count(STATE) > before)  # type: ignore[misc]  # mypy infers no default
        await hass.async_block_till_done(wait_background_tasks=True)
    assert state_of(hass, FRONT) != "unavailable"
    assert "offline" not in caplog.text.replace("b'offline'", "")


async def test_one_that_stops_is_offline_when_its_events_end_although_it_still_answers(
    hass: HomeAssistant, publish: Publish, pi: Pi, loaded: MockConfigEntry
) -> None:
    before = pi.requests.count(STATE)
    await publish("offline")
    await until(lambda: pi.requests.count(STATE) > before)
    await loaded.runtime_data.async_refresh()
    pi.has_events = False
    pi.cut()
    await until(lambda: state_of(hass, FRONT) == "unavailable")
    pi.has_events = True
    await publish("online")
    await until(lambda: state_of(hass, FRONT) != "unavailable")


@pytest.mark.parametrize("comes_back", ["no", "says so", "answers"])
async def test_one_without_power_is_offline_after_seconds_unless_it_came_back_meanwhile(
    hass: HomeAssistant,
    publish: Publish,
    pi: Pi,
    loaded: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    comes_back: str,
) -> None:
    monkeypatch.setattr(offline_check, "OFFLINE_CHECK_TIMEOUT", 0.5)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        asked.set()
        await answered.wait()
        return web.Response(status=503)

    pi.answers["/api/state"] = silent
    await publish("offline")
    await asked.wait()
    if comes_back != "no":
        del pi.answers["/api/state"]
        if comes_back == "says so":
            loaded.runtime_data.server_came_online()
        else:
            await loaded.runtime_data.async_refresh()
        await hass.async_block_till_done(wait_background_tasks=True)
        assert state_of(hass, FRONT) != "unavailable"
    else:
        await until(lambda: state_of(hass, FRONT) == "unavailable")
    answered.set()
