"""Fixtures of the component's tests: a Pi, a broker, and a Home Assistant with both."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from amqtt.broker import Broker  # type: ignore[import-untyped]  # it brings no types
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # likewise
from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
    async_fire_time_changed,
)
from yarl import URL

# The plugin brings a custom_components package of its own; ours has to be imported before it is looked for.
import custom_components.pi_mjpeg  # noqa: F401
from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.const import DOMAIN
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.support.fake_pi import NODE, Pi, example

FRONT = "camera.front_door"
SHED = "camera.shed"
LIVE = f"/api/camera_proxy_stream/{FRONT}"
STILL = f"/api/camera_proxy/{FRONT}"
IMAGE = "image.front_door_last_snapshot"

# Only Home Assistant 2026.11 has the Marketplace, whose validators are asked there, and pictures of media for AI tasks.
collect_ignore = (
    [] if find_spec("homeassistant.components.marketplace") else ["test_marketplace.py", "test_media_image.py"]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no test hang: one that waits for ever fails after a minute."""
    for item in items:
        item.add_marker(pytest.mark.timeout(60))


def add_entry(hass: HomeAssistant, **data: object) -> MockConfigEntry:
    """Return an entry for the Pi that was added to Home Assistant but not set up."""
    entry = MockConfigEntry(domain=DOMAIN, unique_id=NODE, title="Garden Pi", data=data)
    entry.add_to_hass(hass)
    return entry


def access_token(hass: HomeAssistant) -> str:
    """Return the token in the front camera's URL, with which a browser gets its pictures."""
    state = hass.states.get(FRONT)
    assert state is not None
    return str(state.attributes["access_token"])


@pytest.fixture(autouse=True)
def _real_edges(enable_custom_integrations: None, socket_enabled: None) -> None:
    """Let Home Assistant find this component, and the tests reach loopback."""


@pytest.fixture
async def pi() -> AsyncIterator[Pi]:
    """A running Pi."""
    pi = Pi()
    await pi.start()
    yield pi
    await pi.stop()


@pytest.fixture
def entry(hass: HomeAssistant, pi: Pi) -> MockConfigEntry:
    """An entry for the Pi, not set up yet."""
    return add_entry(hass, url=pi.url)


@pytest.fixture
async def loaded(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """The entry, set up."""
    await async_setup_component(hass, "homeassistant", {})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
async def client(pi: Pi) -> AsyncIterator[PiMjpegClient]:
    """A client of the Pi."""
    async with aiohttp.ClientSession() as session:
        yield PiMjpegClient(session, URL(pi.url))


@pytest.fixture
def short_hub_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs close soon, try again soon, and see soon that a stream stalls."""
    monkeypatch.setattr(Hub.__init__, "__kwdefaults__", {"linger": 0.2, "retry_delay": 0.1, "stall_timeout": 1.5})


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """A broker on loopback."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    yield broker
    await broker.shutdown()


@pytest.fixture
def broker_port(broker: Broker) -> int:
    """The broker's port."""
    port: int = broker._servers["default"].instance.sockets[0].getsockname()[1]  # noqa: SLF001 - told nowhere else
    return port


@pytest.fixture
async def pi_mqtt(broker_port: int) -> AsyncIterator[MQTTClient]:
    """The Pi's own connection to the broker."""
    client = MQTTClient(client_id="pi", config={"auto_reconnect": False})
    await client.connect(f"mqtt://127.0.0.1:{broker_port}/")
    yield client
    await client.disconnect()


@pytest.fixture
async def with_mqtt(hass: HomeAssistant, broker_port: int, tmp_path: Path) -> AsyncIterator[None]:
    """Home Assistant's MQTT integration, connected to the broker."""
    # The integration reads the YAML configuration, of which the plugin has none.
    (tmp_path / "configuration.yaml").touch()
    hass.config.config_dir = str(tmp_path)
    entry = MockConfigEntry(
        domain=mqtt.DOMAIN,
        version=mqtt.CONFIG_ENTRY_VERSION,
        minor_version=mqtt.CONFIG_ENTRY_MINOR_VERSION,
        data={"broker": "127.0.0.1", "port": broker_port, "protocol": "3.1.1"},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: mqtt.is_connected(hass))
    yield
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
def announcement(pi: Pi) -> dict[str, Any]:
    """The recorded announcement, with the address of this Pi."""
    document: dict[str, Any] = json.loads(example("announcement.json").replace("http://192.168.1.20:8000", pi.url))
    # Nobody is at the other addresses.
    document["base_urls"] = [pi.url]
    return document


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what happens on the other side sets no event here
            await asyncio.sleep(0.01)


async def poll(hass: HomeAssistant) -> None:
    """Let 30 seconds pass."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await hass.async_block_till_done(wait_background_tasks=True)


@pytest.fixture
async def subscribed(with_mqtt: None, loaded: MockConfigEntry, broker: Broker) -> MockConfigEntry:
    """The entry, set up with MQTT, once Home Assistant has subscribed to the topics of the Pi."""
    await until(lambda: f"pi_mjpeg/{NODE}/+/snapshot" in broker._subscriptions)  # noqa: SLF001 - told nowhere else
    return loaded


def state_of(hass: HomeAssistant, entity_id: str) -> str:
    """Return the state of an entity that is there."""
    state = hass.states.get(entity_id)
    assert state is not None, f"there is no {entity_id}"
    return state.state


def issues(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, dict[str, str] | None]:
    """Return the repair issues of an entry, with their placeholders."""
    ours = [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]
    assert all(issue.issue_id == f"{issue.translation_key}_{entry.entry_id}" for issue in ours)
    return {str(issue.translation_key): issue.translation_placeholders for issue in ours}


async def refresh(entry: MockConfigEntry) -> None:
    """Have the server asked for its state, as it is every 30 seconds."""
    await entry.runtime_data.async_refresh()


@asynccontextmanager
async def state_on_its_way(entry: MockConfigEntry, pi: Pi) -> AsyncIterator[None]:
    """Have the server asked for its state, and send the state of this moment at the end of the block."""
    old, asked, answered = json.dumps(pi.state), asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        asked.set()
        await answered.wait()
        return web.Response(text=old, content_type="application/json")

    pi.answers["/api/state"] = slow
    refreshing = asyncio.create_task(refresh(entry))
    await asked.wait()
    del pi.answers["/api/state"]
    yield
    answered.set()
    await refreshing
