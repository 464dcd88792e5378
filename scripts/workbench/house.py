"""The whole house: a broker, a Pi with a camera, and a Home Assistant that has found it. Needs aiohttp."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench import environments
from workbench.broker import make_broker
from workbench.hass_client import HassClient, signed_in
from workbench.home_assistant import HomeAssistant
from workbench.network import LOOPBACK, answers
from workbench.processes import Program
from workbench.progress import step
from workbench.server import Server, ServerSettings

_BROKER_PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Plan:
    """Where everything listens, and what the camera shows."""

    folder: Path
    server_port: int
    home_assistant_port: int
    broker: tuple[str, int]
    own_broker: bool = True
    listen: str = LOOPBACK
    public_host: str = LOOPBACK
    source: str = "emulated"


@dataclass(frozen=True)
class House:
    """A house in which the camera is on a dashboard."""

    broker: Program | None
    server: Server
    home_assistant: HomeAssistant
    client: HassClient
    camera: str
    dashboard: str


@asynccontextmanager
async def furnished(plan: Plan, server_environment: Path) -> AsyncIterator[House]:
    """Start everything, join it as a person would, and stop it in the opposite order.

    Raises ScriptError with the log of what did not come up.
    """
    with ExitStack() as running:
        broker = make_broker(plan.folder / "broker", plan.broker[1]) if plan.own_broker else None
        if broker:
            running.callback(broker.stop)
            with step("starting the broker"):
                broker.start()
                await broker.wait_until(lambda: answers(*plan.broker), _BROKER_PATIENCE)
        settings = ServerSettings(
            port=plan.server_port,
            broker=plan.broker,
            host=plan.listen,
            public_host=plan.public_host,
            source=plan.source,
        )
        server = Server(server_environment, plan.folder / "server", settings)
        running.callback(server.stop)
        with step("starting the server"):
            await server.start_and_wait()
        hass = HomeAssistant(
            environments.home_assistant(),
            plan.folder / "home-assistant",
            host=plan.listen,
            port=plan.home_assistant_port,
        )
        running.callback(hass.stop)
        with step("starting Home Assistant"):
            await hass.start_and_wait()
        async with signed_in(hass.url) as client:
            with step("finishing Home Assistant's start and onboarding"):
                await client.finish_onboarding()
            with step("joining the broker"):
                await client.join_broker(*plan.broker)
            with step("accepting the camera that MQTT discovery finds"):
                camera = await client.camera(await client.accept_discovery(server.token()))
            dashboard = await client.show_live(camera)
            yield House(broker, server, hass, client, camera, dashboard)
