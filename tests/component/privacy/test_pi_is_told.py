"""The Pi hears of the switch before it is asked for a picture, and what is switched there counts here."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from aiohttp import web
from amqtt.broker import Broker  # type: ignore[import-untyped]  # it brings no types
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # likewise
from homeassistant.components.camera import async_get_image
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, LIVE, refresh, state_of, state_on_its_way, until
from tests.component.privacy.conftest import PATCH, SWITCH, asked, make_private
from tests.component.support.fake_pi import NODE, Pi, example, jpeg

BASE = f"pi_mjpeg/{NODE}"


def answer_with(status: int, text: str) -> Callable[[web.Request], object]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type="application/json")

    return answer


async def test_it_is_told_at_once_both_ways(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    await make_private(hass)
    assert pi.camera()["enabled"] is False
    assert pi.camera("shed")["enabled"] is True
    await make_private(hass, on=False)
    assert pi.camera()["enabled"] is True
    assert asked(pi) == [PATCH, PATCH]


async def test_a_switch_turned_while_the_pi_is_away_is_carried_to_it(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    await pi.stop()
    await refresh(loaded)
    await make_private(hass)
    assert (state_of(hass, SWITCH), state_of(hass, FRONT)) == ("on", "idle")
    await refresh(loaded)
    await pi.start(pi.port)
    await refresh(loaded)
    assert pi.camera()["enabled"] is False
    assert asked(pi) == [PATCH]
    assert state_of(hass, SWITCH) == "on"


async def look(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    view = await (await hass_client()).get(LIVE)
    await view.content.readuntil(jpeg(3))
    view.close()


async def unsized(hass: HomeAssistant, _: ClientSessionGenerator) -> None:
    assert (await async_get_image(hass, FRONT)).content == jpeg(7)


async def sized(hass: HomeAssistant, _: ClientSessionGenerator) -> None:
    assert (await async_get_image(hass, FRONT, width=320)).content == jpeg(7)


async def action(hass: HomeAssistant, _: ClientSessionGenerator) -> None:
    await hass.services.async_call("pi_mjpeg", "take_snapshot", {"entity_id": FRONT}, blocking=True)


async def button(hass: HomeAssistant, _: ClientSessionGenerator) -> None:
    await hass.services.async_call("button", "press", {"entity_id": "button.front_door_take_snapshot"}, blocking=True)


@pytest.mark.parametrize("ask", [look, unsized, sized, action, button])
async def test_it_is_told_before_it_is_asked_for_a_picture_when_it_is_back(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    hass_client: ClientSessionGenerator,
    ask: Callable[[HomeAssistant, ClientSessionGenerator], Awaitable[None]],
) -> None:
    await make_private(hass)
    await pi.stop()
    await make_private(hass, on=False)
    pi.requests.clear()
    pi.show(jpeg(3))
    await pi.start(pi.port)
    # Nobody has asked it yet.
    loaded.runtime_data.data = replace(
        loaded.runtime_data.data,
        cameras={
            camera_id: replace(camera, available=True) for camera_id, camera in loaded.runtime_data.data.cameras.items()
        },
    )
    loaded.runtime_data.last_update_success = True
    await ask(hass, hass_client)
    assert asked(pi)[0] == PATCH


async def test_what_is_switched_at_the_pi_is_switched_here(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator, off_picture: bytes
) -> None:
    pi.show(jpeg(1))
    view = await (await hass_client()).get(LIVE)
    await view.content.readuntil(jpeg(1))
    pi.turn(enabled=False)
    await refresh(loaded)
    assert state_of(hass, SWITCH) == "on"
    await view.content.readuntil(off_picture)
    pi.turn(enabled=True)
    await refresh(loaded)
    assert state_of(hass, SWITCH) == "off"
    await view.content.readuntil(jpeg(1))
    assert PATCH not in pi.requests
    view.close()


async def test_a_message_makes_home_assistant_ask_and_is_not_believed(
    hass: HomeAssistant, with_mqtt: None, loaded: MockConfigEntry, pi: Pi, broker: Broker, pi_mqtt: MQTTClient
) -> None:
    await until(lambda: f"{BASE}/+/state" in broker._subscriptions)  # noqa: SLF001 - told nowhere else
    await make_private(hass)
    await refresh(loaded)
    document = {**json.loads(example("camera_state.json")), "enabled": True}
    before = len(pi.requests)
    await pi_mqtt.publish(f"{BASE}/front/state", json.dumps(document).encode(), qos=1)
    await until(lambda: len(pi.requests) > before)
    await refresh(loaded)
    assert state_of(hass, SWITCH) == "on"
    pi.turn(enabled=True)
    await pi_mqtt.publish(f"{BASE}/front/state", json.dumps(document).encode(), qos=1)
    await until(lambda: state_of(hass, SWITCH) == "off")


async def test_a_state_that_was_on_its_way_does_not_turn_the_switch_back(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    async with state_on_its_way(loaded, pi):
        await make_private(hass)
    assert state_of(hass, SWITCH) == "on"
    await refresh(loaded)
    assert (state_of(hass, SWITCH), pi.camera()["enabled"]) == ("on", False)


async def test_of_a_quick_succession_the_last_counts_everywhere(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        wanted = (await request.json())["enabled"]
        await asyncio.sleep(0.1)
        pi.turn(enabled=wanted)
        return web.json_response({"enabled": wanted})

    pi.answers["/api/cameras/front"] = slow
    async with asyncio.TaskGroup() as group:
        for on in (True, False, True, False, True):
            group.create_task(make_private(hass, on=on))
            await asyncio.sleep(0.03)
        group.create_task(refresh(loaded))
    await refresh(loaded)
    assert (state_of(hass, SWITCH), pi.camera()["enabled"]) == ("on", False)


@pytest.mark.parametrize("answer", [(503, example("error.json")), (200, "{}"), (200, '{"enabled": true}'), (404, "")])
async def test_a_pi_that_refuses_is_said_and_asked_again_while_nobody_gets_a_picture(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, answer: tuple[int, str]
) -> None:
    pi.answers["/api/cameras/front"] = answer_with(*answer)  # type: ignore[assignment]  # a handler
    with pytest.raises(HomeAssistantError, match="Front door works in Home Assistant, but not at the Pi"):
        await make_private(hass)
    assert state_of(hass, SWITCH) == "on"
    await refresh(loaded)
    assert state_of(hass, SWITCH) == "on"
    assert set(asked(pi)) == {PATCH}
    pi.answers.clear()
    await refresh(loaded)
    assert pi.camera()["enabled"] is False


async def test_a_camera_whose_switch_fails_does_not_keep_the_others_from_being_told(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    pi.answers["/api/cameras/front"] = answer_with(503, example("error.json"))  # type: ignore[assignment]  # likewise
    with pytest.raises(HomeAssistantError):
        await make_private(hass)
    await hass.services.async_call("switch", "turn_on", {"entity_id": "switch.shed_privacy"}, blocking=True)
    assert pi.camera("shed")["enabled"] is False


async def test_with_an_old_server_the_switch_works_in_home_assistant_alone(
    hass: HomeAssistant, entry: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator, off_picture: bytes
) -> None:
    for camera in pi.state["cameras"]:
        del camera["enabled"], camera["snapshot"]
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await make_private(hass)
    await refresh(entry)
    assert (state_of(hass, SWITCH), asked(pi)) == ("on", [])
    view = await (await hass_client()).get(LIVE)
    await view.content.readuntil(off_picture)
    view.close()


async def test_a_second_home_assistant_follows_the_first(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    """The last change that reaches the Pi counts, also if both were made while it was away."""
    await pi.stop()
    await refresh(loaded)
    await make_private(hass)
    await pi.start(pi.port)
    await refresh(loaded)
    pi.turn(enabled=True)  # the other one's wish comes later
    await refresh(loaded)
    assert (state_of(hass, SWITCH), asked(pi)) == ("off", [PATCH])
