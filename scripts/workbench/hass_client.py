"""What a person does in Home Assistant's frontend, done by its HTTP and WebSocket API. Needs aiohttp."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp

from workbench.errors import ScriptError

USERNAME = "demo"
PASSWORD = "demo-camera"  # noqa: S105 - the demo prints it

_T = TypeVar("_T")

_STEP = 30.0  # seconds that one step in Home Assistant may take
_START = 180.0  # seconds from listening to RUNNING; 5 on two cores


class HassClient:
    """An administrator of one Home Assistant, from the onboarding on."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Use SESSION, every request of which carries an access token."""
        self.url = url
        self.session = session

    async def get(self, path: str) -> Any:  # noqa: ANN401 - what Home Assistant answers
        """Return the JSON of a GET."""
        async with self.session.get(f"{self.url}{path}") as response:
            return await _json(response)

    async def post(self, path: str, data: dict[str, Any]) -> Any:  # noqa: ANN401 - what Home Assistant answers
        """Return the JSON of a POST."""
        async with self.session.post(f"{self.url}{path}", json=data) as response:
            return await _json(response)

    async def command(self, kind: str, **data: object) -> Any:  # noqa: ANN401 - what Home Assistant answers
        """Return the result of one WebSocket command; raises ScriptError when it fails."""
        token = self.session.headers["Authorization"].removeprefix("Bearer ")
        async with self.session.ws_connect(f"{self.url}/api/websocket", max_msg_size=0) as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": token})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": kind, **data})
            answer = await socket.receive_json()
        if not answer.get("success"):
            message = f"Home Assistant refuses {kind}: {answer.get('error')}"
            raise ScriptError(message)
        return answer["result"]

    async def state(self, entity_id: str) -> str:
        """Return an entity's state."""
        return str((await self.get(f"/api/states/{entity_id}"))["state"])

    async def join_broker(self, host: str, port: int) -> None:
        """Set up the MQTT integration, unless it is."""
        if await self.command("config_entries/get", domain="mqtt"):
            return
        flow = await self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        other = {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp", "tls_insecure": False}
        answers = {"broker": host, "port": port, "protocol": "5", "other_settings": other}
        await self._finish(flow["flow_id"], answers)

    async def accept_discovery(self, token: str) -> str:
        """Confirm the camera server that MQTT discovery finds, unless it is; return its config entry's id.

        The server asks for TOKEN.
        """
        if entries := await self.command("config_entries/get", domain="pi_mjpeg"):
            return str(entries[0]["entry_id"])

        async def discovered() -> str | None:
            flows = await self.command("config_entries/flow/progress")
            ours = (flow for flow in flows if flow["handler"] == "pi_mjpeg" and flow["context"]["source"] == "mqtt")
            return next((flow["flow_id"] for flow in ours), None)

        flow_id = await until(discovered, "the server is discovered by MQTT")
        step = await self.post(f"/api/config/config_entries/flow/{flow_id}", {})
        if step.get("step_id") == "token":
            step = await self.post(f"/api/config/config_entries/flow/{flow_id}", {"token": token})
        if step.get("step_id") != "confirm" or step["errors"]:
            message = f"the config flow does not show the camera: {step}"
            raise ScriptError(message)
        result = await self._finish(flow_id, {})
        return str(result["result"]["entry_id"])

    async def camera(self, entry_id: str) -> str:
        """Wait for a config entry's camera, and return its entity id."""

        async def found() -> str | None:
            entities = await self.command("config/entity_registry/list")
            ids = (entity["entity_id"] for entity in entities if entity["config_entry_id"] == entry_id)
            return next((entity_id for entity_id in ids if entity_id.startswith("camera.")), None)

        return await until(found, "the server has a camera entity")

    async def show_live(self, entity_id: str) -> str:
        """Make a dashboard with the live camera; return its path."""
        path = "pi-cameras"
        dashboards = await self.command("lovelace/dashboards/list")
        if path not in {dashboard["url_path"] for dashboard in dashboards}:
            look = {"title": "Pi cameras", "icon": "mdi:cctv", "mode": "storage"}
            access = {"require_admin": False, "show_in_sidebar": True}
            await self.command("lovelace/dashboards/create", url_path=path, **look, **access)
        card = {"type": "picture-entity", "entity": entity_id, "camera_view": "live"}
        views = [{"title": "Pi cameras", "path": "live", "cards": [card]}]
        await self.command("lovelace/config/save", url_path=path, config={"views": views})
        return f"/{path}/live"

    async def frames(self, entity_id: str, count: int) -> list[bytes]:
        """Return COUNT frames of the live stream as Home Assistant passes it on."""
        async with self.session.get(f"{self.url}/api/camera_proxy_stream/{entity_id}") as response:
            response.raise_for_status()
            reader = aiohttp.MultipartReader.from_response(response)
            async with asyncio.timeout(_STEP):
                return [bytes(await (await reader.next()).read()) for _ in range(count)]  # type: ignore[union-attr]  # a stream of one level

    async def still(self, entity_id: str) -> bytes:
        """Return a snapshot as Home Assistant passes it on."""
        async with self.session.get(f"{self.url}/api/camera_proxy/{entity_id}") as response:
            response.raise_for_status()
            return await response.read()

    async def steps_left(self) -> list[str]:
        """Return the steps of the onboarding that nobody has taken yet."""
        async with self.session.get(f"{self.url}/api/onboarding") as response:
            if response.status == HTTPStatus.NOT_FOUND:
                # Home Assistant serves it only until the onboarding is finished.
                return []
            return [step["step"] for step in await _json(response) if not step["done"]]

    async def finish_onboarding(self) -> None:
        """Wait until Home Assistant runs, then take the steps of its onboarding that are left."""

        async def runs() -> bool:
            return bool((await self.get("/api/config"))["state"] == "RUNNING")

        await until(runs, "Home Assistant runs", _START)
        redirect = {"client_id": _client_id(self.url), "redirect_uri": _client_id(self.url)}
        for step in await self.steps_left():
            await self.post(f"/api/onboarding/{step}", redirect if step == "integration" else {})
        if (await self.command("http/config"))["pending"]:
            # Since 2026.11 an `http:` in YAML is on trial: unconfirmed, it is taken back after five minutes.
            await self.command("http/config/promote")

    async def _finish(self, flow_id: str, answers: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = await self.post(f"/api/config/config_entries/flow/{flow_id}", answers)
        if result["type"] != "create_entry":
            message = f"the config flow does not end with an entry: {result}"
            raise ScriptError(message)
        return result


@asynccontextmanager
async def signed_in(url: str) -> AsyncIterator[HassClient]:
    """Sign in as the demo's user, who is made when there is none."""
    async with aiohttp.ClientSession() as session:
        anybody = HassClient(session, url)
        code = await (_sign_up(anybody) if "user" in await anybody.steps_left() else _sign_in(anybody))
        grant = {"grant_type": "authorization_code", "code": code, "client_id": _client_id(url)}
        async with session.post(f"{url}/auth/token", data=grant) as response:
            token = (await _json(response))["access_token"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        yield HassClient(session, url)


async def until(ask: Callable[[], Awaitable[_T | None]], what: str, seconds: float = _STEP) -> _T:
    """Ask again and again until the answer is true, and return it; raise ScriptError when WHAT never comes."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        if time.monotonic() > deadline:
            message = f"not within {seconds:.0f} s: {what}"
            raise ScriptError(message)
        await asyncio.sleep(0.2)
    return answer


async def _sign_up(anybody: HassClient) -> str:
    user = {"name": "Demo", "username": USERNAME, "password": PASSWORD, "language": "en"}
    created = await anybody.post("/api/onboarding/users", {"client_id": _client_id(anybody.url), **user})
    return str(created["auth_code"])


async def _sign_in(anybody: HassClient) -> str:
    client_id = _client_id(anybody.url)
    start = {"client_id": client_id, "handler": ["homeassistant", None], "redirect_uri": client_id}
    flow = await anybody.post("/auth/login_flow", start)
    credentials = {"client_id": client_id, "username": USERNAME, "password": PASSWORD}
    finished = await anybody.post(f"/auth/login_flow/{flow['flow_id']}", credentials)
    return str(finished["result"])


def _client_id(url: str) -> str:
    """Return what Home Assistant calls a client: the address of the page that signs in."""
    return f"{url}/"


async def _json(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 - what Home Assistant answers
    if not response.ok:
        message = f"{response.method} {response.url.path} answers {response.status}: {await response.text()}"
        raise ScriptError(message)
    return await response.json()
