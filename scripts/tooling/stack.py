"""A broker, a server and a Home Assistant that has discovered the server. Needs aiohttp."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tooling import environments
from tooling.broker import make_broker
from tooling.hass_client import HassClient, new_password, signed_in
from tooling.home_assistant import HomeAssistant
from tooling.network import LOOPBACK, answers
from tooling.processes import Program
from tooling.progress import step
from tooling.server import Server, ServerSettings

_BROKER_START_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class StackSettings:
    """The ports and addresses of the processes, the camera source, and the password of Home Assistant's user."""

    folder: Path
    server_port: int
    home_assistant_port: int
    broker: tuple[str, int]
    own_broker: bool = True
    listen: str = LOOPBACK
    public_host: str = LOOPBACK
    source: str = "emulated"
    http: Mapping[str, object] = field(default_factory=dict)
    """Further settings of Home Assistant's `http`."""
    authority: Path | None = None
    """The authority of Home Assistant's certificate, if `http` has one."""
    password: str = field(default_factory=new_password)


@dataclass(frozen=True)
class Stack:
    """The running processes, the user's password, the camera's entity id and the path of its dashboard."""

    broker: Program | None
    server: Server
    home_assistant: HomeAssistant
    client: HassClient
    password: str
    camera: str
    dashboard: str


@asynccontextmanager
async def running_stack(settings: StackSettings, server_environment: Path) -> AsyncIterator[Stack]:
    """Start the processes, connect them through the user interface's API, and stop them in reverse order at the end.

    Raises ScriptError with the log of the process that did not start.
    """
    with ExitStack() as running:
        broker = make_broker(settings.folder / "broker", settings.broker[1]) if settings.own_broker else None
        if broker:
            running.callback(broker.stop)
            with step("starting the broker"):
                broker.start()
                await broker.wait_until(lambda: answers(*settings.broker), _BROKER_START_TIMEOUT)
        server_settings = ServerSettings(
            port=settings.server_port,
            broker=settings.broker,
            host=settings.listen,
            public_host=settings.public_host,
            source=settings.source,
        )
        server = Server(server_environment, settings.folder / "server", server_settings)
        running.callback(server.stop)
        with step("starting the server"):
            await server.start_and_wait()
        hass = HomeAssistant(
            environments.home_assistant(),
            settings.folder / "home-assistant",
            host=settings.listen,
            port=settings.home_assistant_port,
            http=settings.http,
        )
        running.callback(hass.stop)
        with step("starting Home Assistant"):
            await hass.start_and_wait()
        async with signed_in(hass.url, settings.password, settings.authority) as client:
            with step("finishing the onboarding of Home Assistant"):
                await client.finish_onboarding()
            with step("connecting Home Assistant to the broker"):
                await client.join_broker(*settings.broker)
            with step("adding the discovered camera"):
                camera = await client.camera(await client.accept_discovery(server.token()))
            dashboard = await client.show_live(camera)
            yield Stack(broker, server, hass, client, settings.password, camera, dashboard)
