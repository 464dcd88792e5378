"""A client of Home Assistant's HTTP and WebSocket API, which does what a user does in the frontend. Needs aiohttp."""

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from tooling.errors import ScriptError

USERNAME = "demo"

_PASSWORD_BYTES = 12

_T = TypeVar("_T")

_STEP_TIMEOUT = 30.0  # seconds for one step in Home Assistant
_START_TIMEOUT = 180.0  # seconds from listening to RUNNING; 5 on two cores


def new_password() -> str:
    """Return a random password for the demo's user."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


class HassClient:
    """The administrator of one Home Assistant."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """`session` sends an access token with every request."""
        self.url = url
        self.session = session

    async def get(self, path: str) -> Any:  # noqa: ANN401 - any JSON
        """Send a GET and return the JSON of the response."""
        async with self.session.get(f"{self.url}{path}") as response:
            return await _json(response)

    async def post(self, path: str, data: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Send a POST and return the JSON of the response."""
        async with self.session.post(f"{self.url}{path}", json=data) as response:
            return await _json(response)

    async def command(self, kind: str, **data: object) -> Any:  # noqa: ANN401 - any JSON
        """Send one WebSocket command and return its result. Raises ScriptError if it fails."""
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
        """Set up the MQTT integration, unless it is set up already."""
        if await self.command("config_entries/get", domain="mqtt"):
            return
        flow = await self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        other = {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp", "tls_insecure": False}
        answers = {"broker": host, "port": port, "protocol": "5", "other_settings": other}
        await self._finish(flow["flow_id"], answers)

    async def accept_discovery(self, token: str) -> str:
        """Confirm the server that MQTT discovery finds, unless it is set up already. Return the config entry's id.

        `token` is the server's access token.
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
            message = f"the config flow did not show the camera: {step}"
            raise ScriptError(message)
        result = await self._finish(flow_id, {})
        return str(result["result"]["entry_id"])

    async def add_server(self, url: str, token: str) -> str:
        """Add a server by its address and its access token. Return the config entry's id."""
        flow = await self.post("/api/config/config_entries/flow", {"handler": "pi_mjpeg"})
        for answers in ({"url": url}, {"token": token}):
            await self.post(f"/api/config/config_entries/flow/{flow['flow_id']}", answers)
        result = await self._finish(flow["flow_id"], {})
        return str(result["result"]["entry_id"])

    async def remove_server(self, entry_id: str) -> None:
        """Remove the config entry of a server."""
        async with self.session.delete(f"{self.url}/api/config/config_entries/entry/{entry_id}") as response:
            await _json(response)

    async def camera(self, entry_id: str) -> str:
        """Wait for the camera entity of a config entry and return its id."""

        async def found() -> str | None:
            entities = await self.command("config/entity_registry/list")
            ids = (entity["entity_id"] for entity in entities if entity["config_entry_id"] == entry_id)
            return next((entity_id for entity_id in ids if entity_id.startswith("camera.")), None)

        return await until(found, "the server has a camera entity")

    async def show_live(self, *entity_ids: str) -> str:
        """Create a dashboard with the live cameras, or change it to these, and return its path."""
        path = "pi-cameras"
        dashboards = await self.command("lovelace/dashboards/list")
        if path not in {dashboard["url_path"] for dashboard in dashboards}:
            options = {"title": "Pi cameras", "icon": "mdi:cctv", "mode": "storage"}
            access = {"require_admin": False, "show_in_sidebar": True}
            await self.command("lovelace/dashboards/create", url_path=path, **options, **access)
        cards = [{"type": "picture-entity", "entity": entity_id, "camera_view": "live"} for entity_id in entity_ids]
        views = [{"title": "Pi cameras", "path": "live", "cards": cards}]
        await self.command("lovelace/config/save", url_path=path, config={"views": views})
        return f"/{path}/live"

    async def frames(self, entity_id: str, count: int) -> list[bytes]:
        """Return `count` frames of the live stream that Home Assistant proxies."""
        async with self.session.get(f"{self.url}/api/camera_proxy_stream/{entity_id}") as response:
            response.raise_for_status()
            reader = aiohttp.MultipartReader.from_response(response)
            async with asyncio.timeout(_STEP_TIMEOUT):
                return [bytes(await (await reader.next()).read()) for _ in range(count)]  # type: ignore[union-attr]  # the parts are not nested

    async def still(self, entity_id: str) -> bytes:
        """Return the still image that Home Assistant proxies."""
        async with self.session.get(f"{self.url}/api/camera_proxy/{entity_id}") as response:
            response.raise_for_status()
            return await response.read()

    async def steps_left(self) -> list[str]:
        """Return the steps of the onboarding that are not done."""
        async with self.session.get(f"{self.url}/api/onboarding") as response:
            if response.status == HTTPStatus.NOT_FOUND:
                # Home Assistant serves this route only until the onboarding is finished.
                return []
            return [step["step"] for step in await _json(response) if not step["done"]]

    async def finish_onboarding(self) -> None:
        """Wait until Home Assistant is running, then finish the onboarding."""

        async def running() -> bool:
            return bool((await self.get("/api/config"))["state"] == "RUNNING")

        await until(running, "Home Assistant is running", _START_TIMEOUT)
        redirect = {"client_id": _client_id(self.url), "redirect_uri": _client_id(self.url)}
        for step in await self.steps_left():
            await self.post(f"/api/onboarding/{step}", redirect if step == "integration" else {})
        if (await self.command("http/config"))["pending"]:
            # Since 2026.11 an `http:` in YAML is reverted after five minutes unless it is confirmed.
            await self.command("http/config/promote")

    async def _finish(self, flow_id: str, answers: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = await self.post(f"/api/config/config_entries/flow/{flow_id}", answers)
        if result["type"] != "create_entry":
            message = f"the config flow did not create an entry: {result}"
            raise ScriptError(message)
        return result


@asynccontextmanager
async def signed_in(url: str, password: str, authority: Path | None = None) -> AsyncIterator[HassClient]:
    """Sign in as the demo's user. Create the user, with this password, first if there is none.

    `authority` is the certificate authority to trust instead of the system's.
    """
    context = ssl.create_default_context(cafile=authority)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        anonymous = HassClient(session, url)
        code = await (_sign_up if "user" in await anonymous.steps_left() else _sign_in)(anonymous, password)
        grant = {"grant_type": "authorization_code", "code": code, "client_id": _client_id(url)}
        async with session.post(f"{url}/auth/token", data=grant) as response:
            token = (await _json(response))["access_token"]
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {token}"}) as session:
        yield HassClient(session, url)


async def until(ask: Callable[[], Awaitable[_T | None]], what: str, seconds: float = _STEP_TIMEOUT) -> _T:
    """Call `ask` until its result is true, and return the result. Raises ScriptError with `what` on timeout."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        if time.monotonic() > deadline:
            message = f"timed out after {seconds:.0f} s: {what}"
            raise ScriptError(message)
        await asyncio.sleep(0.2)
    return answer


async def _sign_up(anonymous: HassClient, password: str) -> str:
    user = {"name": "Demo", "username": USERNAME, "password": password, "language": "en"}
    created = await anonymous.post("/api/onboarding/users", {"client_id": _client_id(anonymous.url), **user})
    return str(created["auth_code"])


async def _sign_in(anonymous: HassClient, password: str) -> str:
    client_id = _client_id(anonymous.url)
    start = {"client_id": client_id, "handler": ["homeassistant", None], "redirect_uri": client_id}
    flow = await anonymous.post("/auth/login_flow", start)
    credentials = {"client_id": client_id, "username": USERNAME, "password": password}
    finished = await anonymous.post(f"/auth/login_flow/{flow['flow_id']}", credentials)
    return str(finished["result"])


def _client_id(url: str) -> str:
    """Return the client id, which is the URL of the page that signs in."""
    return f"{url}/"


async def _json(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 - any JSON
    if not response.ok:
        message = f"{response.method} {response.url.path} answers {response.status}: {await response.text()}"
        raise ScriptError(message)
    return await response.json()
