"""A Pi for the tests: a real HTTP server on loopback that follows the contract, and can be made to fail."""

import asyncio
import hmac
import json
import secrets
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.component.support.fake_clips import KeptClip, make_clip

CONTRACT = Path(__file__).parents[2] / "contract"
NODE = "5b2c7f0e9a41"
CAMERA = "front"

_BEFORE = b"\xff\xd8\xff\xfe\x00\x0a"
_HEADERS = bytes.fromhex("ffc0000b080168028001011100 ffda0008010100003f00")
"""The frame header of a grey picture, and the header of its scan."""


IDENTITY_KEY = bytes(range(32))
KEY = "0123456789abcdef"


def secret_of(identity_key: bytes) -> str:
    """Return the secret with the name `KEY` of the server that has this key."""
    return hmac.new(identity_key, b"pi_mjpeg enrolment\n" + KEY.encode(), "sha256").hexdigest()


IDENTITY = {"key": KEY, "secret": secret_of(IDENTITY_KEY)}
"""What an entry stores of a server with `IDENTITY_KEY`."""


def example(name: str) -> str:
    """Return a recorded document of the contract."""
    return (CONTRACT / name).read_text(encoding="utf-8")


def unavailable() -> web.Response:
    """Return the answer of a server whose camera gives no pictures."""
    return web.Response(text=example("error.json"), status=503, content_type="application/json")


def jpeg(number: int, size: int = 0) -> bytes:
    """Return the headers of a JPEG of 640x360 with `number` in a comment, and `size` bytes of picture."""
    return _BEFORE + f"{number:08d}".encode() + _HEADERS + bytes(size) + b"\xff\xd9"


def number_of(picture: bytes) -> int:
    """Return the number that `jpeg` put into a picture, or 1 for any other picture."""
    digits = picture[len(_BEFORE) : len(_BEFORE) + 8]
    return int(digits) if digits.isdigit() else 1


def part(picture: bytes, timestamp: float = 1.0, *, drawn: bool = False) -> bytes:
    """Return a part as the server's machine stream has it."""
    headers = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\nX-Timestamp: {timestamp:.6f}\r\n"
    headers += "X-Picture: drawn\r\n\r\n" if drawn else "\r\n"
    return headers.encode() + picture + b"\r\n--frame\r\n"


OFF = jpeg(0)
"""What the Pi's own viewers see of a camera that is off."""


def _timestamp(picture: bytes) -> float:
    """Return a time of capture that differs with the number of a picture, if it has one."""
    return float(picture[2:10]) if picture[2:10].isdigit() else 1.0


type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pi:
    """One server with the two cameras of the contract's example; "front" streams what `show` gives it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = json.loads(example("api_state.json"))
        self.state["server"]["problems"] = []
        for camera in self.state["cameras"]:
            camera.update(enabled=True, snapshot=None)
        self.streams = 0
        """How many streams were opened so far."""
        self.watching = 0
        """How many streams are open now."""
        self.requests: list[str] = []
        self.answers: dict[str, Handler] = {}
        """Handlers that replace the usual ones, by path."""
        self.tls: ssl.SSLContext | None = None
        """When set before the start, the server speaks https with this certificate."""
        self.token: str | None = None
        """When set, requests without this token are refused."""
        self.identity_key: bytes | None = None
        """When set, the server gives secrets and proves with them who it is. An older one cannot."""
        self.instance: str | None = secrets.token_hex(8)
        """What tells this process from another. An older server does not tell it."""
        self.restarts = False
        self.focusing = asyncio.Event()
        self.focusing.set()
        """When set, each answer that says who it is comes from a new process."""
        self.authorizations: list[str | None] = []
        """The `Authorization` header of each request."""
        self.clips: list[KeptClip] = []
        """The oldest first."""
        self.snapshots: list[dict[str, Any]] | None = []
        """The documents of the kept snapshots in the list, the newest first. None: an older server, without a list."""
        self.recording = asyncio.Event()
        """Set when a recording begins."""
        self.cuts_clips = False
        """When set, only half of the file of a clip comes."""
        self.stalled = False
        """When set, a stream sends headers and no pictures."""
        self.url = ""
        self.other_url = ""
        """The same server under another address."""
        self.port = 0
        self.latest = b""
        """The picture that was shown last."""
        self.has_events = False
        """When set, the server tells its events. An older one cannot."""
        self.listening = 0
        """How many clients listen to the events now."""
        self._telling: set[asyncio.Queue[bytes]] = set()
        self._newer = asyncio.Event()
        self._open: set[asyncio.Transport] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on `port`, or on a free one."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        self.other_url = f"{scheme}://127.0.0.1:{self._runner.addresses[1][1]}"

    async def stop(self) -> None:
        """Stop listening, and close every connection."""
        if self._runner is not None:
            self.cut()
            await self._runner.cleanup()
            self._runner = None

    def show(self, picture: bytes) -> None:
        """Send a picture to all viewers."""
        self.latest = picture
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()

    def tell(self, kind: str, camera_id: str | None = CAMERA, **document: object) -> None:
        """Tell an event to all who listen."""
        data = json.dumps({"camera": camera_id, "schema": 1, **document})
        self.tell_raw(f"event: {kind}\ndata: {data}\n\n".encode())

    def tell_motion(self, camera_id: str = CAMERA, **changes: object) -> None:
        """Change the motion detection of a camera, and tell it."""
        motion = self.camera(camera_id)["motion"]
        motion.update(changes)
        self.tell("motion", camera_id, **motion)

    def tell_raw(self, piece: bytes) -> None:
        """Send a piece of the events to all who listen."""
        for queue in self._telling:
            queue.put_nowait(piece)

    def cut(self) -> None:
        """End every open stream, as a power cut does."""
        for transport in self._open:
            transport.abort()

    def camera(self, camera_id: str = CAMERA) -> dict[str, Any]:
        """Return a camera in the state document, to be changed."""
        found: dict[str, Any] = next(camera for camera in self.state["cameras"] if camera["id"] == camera_id)
        return found

    async def _answer(self, request: web.Request) -> web.StreamResponse:  # noqa: C901, PLR0911, PLR0912 - one for each route
        if request.path == "/api/events":
            return await self._events(request)
        self.requests.append(f"{request.method} {request.path_qs}")
        self.authorizations.append(request.headers.get("Authorization"))
        if request.path == "/api/identity" and request.method == "GET" and self.identity_key is not None:
            return self._prove(request, self.identity_key)
        if self.token is not None and self.authorizations[-1] != f"Bearer {self.token}":
            return web.json_response({"error": {"code": "unauthorised", "message": "a token is wanted"}}, status=401)
        if special := self.answers.get(request.path):
            return await special(request)
        if self._is_refused(request):
            return web.json_response({"error": {"code": "camera_off", "message": "the camera is off"}}, status=409)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["api", "state"]:
                return web.json_response(self.state)
            case "GET", ["cameras", "front", "stream"]:
                return await self._stream(request)
            case "GET", ["cameras", "front", "snapshot.jpg"]:
                return web.Response(body=jpeg(7), content_type="image/jpeg")
            case "POST", ["api", "cameras", "front", "snapshots"]:
                return self._keep("front")
            case "GET", ["api", "cameras", camera_id, "snapshots"]:
                return self._list_snapshots(camera_id)
            case "POST", ["api", "cameras", "front", "clips"]:
                return await self._record(await request.json())
            case "GET", ["api", "cameras", camera_id, "clips"]:
                kept = [clip.document for clip in reversed(self.clips) if clip.camera == camera_id]
                return web.json_response({"schema": 1, "clips": kept})
            case "GET", ["clips", name]:
                return self._clip(name, request.query["sig"])
            case "POST", ["api", "cameras", "front", "focus"]:
                await self.focusing.wait()
                return web.Response(status=204)
            case "POST", ["api", "cameras", _, "restart"]:
                return web.Response(status=204)
            case "POST", ["api", "identity"] if self.identity_key is not None:
                return web.json_response({"key": KEY, "secret": secret_of(self.identity_key)}, status=201)
            case "PATCH", ["api", "cameras", camera_id]:
                return self._turn(camera_id, await request.json())
            case "PATCH", ["api", "cameras", camera_id, "controls"]:
                return self._adjust(camera_id, await request.json())
            case "GET", ["snapshots", _]:
                number = int(request.query.get("width", 8))
                return web.Response(body=jpeg(number), content_type="image/jpeg")
        return unavailable()

    def _prove(self, request: web.Request, identity_key: bytes) -> web.StreamResponse:
        """Prove who this is to whoever asks at the address at which they did."""
        assert request.transport is not None
        host, port = request.transport.get_extra_info("sockname")[:2]
        assert request.query.get("key", KEY) == KEY
        node = self.state["server"]["id"]
        lines = ("pi_mjpeg identity 1", request.query["nonce"], node, f"{host}:{port}")
        secret = bytes.fromhex(secret_of(identity_key))
        proof = hmac.new(secret, "\n".join(lines).encode(), "sha256").hexdigest()
        answer = {"id": node, "proof": proof}
        if self.restarts:
            self.instance = secrets.token_hex(8)
        return web.json_response(answer if self.instance is None else answer | {"instance": self.instance})

    def turn(self, camera_id: str = CAMERA, *, enabled: bool) -> None:
        """Turn a camera on or off, as somebody at the Pi does."""
        camera = self.camera(camera_id)
        if camera["enabled"] is not enabled:
            camera.update(enabled=enabled, available=enabled, state="idle" if enabled else "off")
            self.show(self.latest)

    def _turn(self, camera_id: str, changes: dict[str, Any]) -> web.StreamResponse:
        if "motion" in changes:
            motion = self.camera(camera_id)["motion"]
            motion.update(changes["motion"])
            self.tell("motion", camera_id, **motion)
            return web.json_response({"motion": motion})
        self.turn(camera_id, enabled=changes["enabled"])
        return web.json_response({"enabled": changes["enabled"]})

    def _is_refused(self, request: web.Request) -> bool:
        """Return whether the camera is off that a request wants a picture of, or wants to control."""
        match request.path.strip("/").split("/"):
            case ["api", "cameras", _, "clips" | "snapshots"] if request.method == "GET":
                # What was kept before can be seen.
                return False
            case ["cameras", camera_id, "snapshot.jpg"] | ["api", "cameras", camera_id, _]:
                return any(
                    camera["id"] == camera_id and not camera.get("enabled", True) for camera in self.state["cameras"]
                )
        return False

    def _keep(self, camera_id: str) -> web.StreamResponse:
        snapshot = {key: value for key, value in json.loads(example("snapshot.json")).items() if key != "schema"}
        if "snapshot" in self.camera(camera_id):
            self.camera(camera_id)["snapshot"] = snapshot
        return web.json_response(snapshot, status=201)

    def _list_snapshots(self, camera_id: str) -> web.StreamResponse:
        if self.snapshots is None:
            error = {"code": "method_not_allowed", "message": "Method Not Allowed"}
            return web.json_response({"error": error}, status=405)
        kept = [document for document in self.snapshots if str(document["id"]).startswith(f"{camera_id}-")]
        return web.json_response({"schema": 1, "snapshots": kept})

    async def _record(self, wanted: dict[str, float]) -> web.StreamResponse:
        self.recording.set()
        await asyncio.sleep(min(wanted["after"], 0.1))
        if not self.camera()["enabled"]:
            return web.json_response({"error": {"code": "camera_off", "message": "the camera is off"}}, status=409)
        self.clips.append(make_clip(len(self.clips), wanted["before"], wanted["after"]))
        return web.json_response({"schema": 1, **self.clips[-1].document}, status=201)

    def _clip(self, name: str, signature: str) -> web.StreamResponse:
        identity, _, kind = name.partition(".")
        found = next((clip for clip in self.clips if clip.document["id"] == identity), None)
        if found is None or signature != f"sig-{kind}":
            return web.json_response({"error": {"code": "not_found", "message": "there is no such clip"}}, status=404)
        if kind == "jpg":
            return web.Response(body=jpeg(9), content_type="image/jpeg")
        body = found.body[: len(found.body) // 2] if self.cuts_clips else found.body
        return web.Response(body=body, headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})

    def _adjust(self, camera_id: str, changes: dict[str, object]) -> web.StreamResponse:
        controls = self.camera(camera_id)["controls"]
        for control in controls:
            control["value"] = changes.get(control["name"], control["value"])
        return web.json_response({"controls": controls})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": {"code": "unauthorised", "message": "a token is wanted"}}, status=401)
        if not self.has_events:
            return web.json_response({"error": {"code": "not_found", "message": "no such route"}}, status=404)
        transport = request.transport
        assert transport is not None
        self._open.add(transport)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._telling.add(queue)
        self.listening += 1
        try:
            await response.prepare(request)
            await response.write(b": pi-mjpeg\n\n")
            for camera in self.state["cameras"]:
                if "motion" in camera:
                    data = json.dumps({"camera": camera["id"], **camera["motion"]})
                    await response.write(f"event: motion\ndata: {data}\n\n".encode())
            while True:
                await response.write(await queue.get())
        except ConnectionError:
            return response
        finally:
            self.listening -= 1
            self._telling.discard(queue)
            self._open.discard(transport)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.streams += 1
        self.watching += 1
        transport = request.transport
        assert transport is not None
        self._open.add(transport)
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        try:
            await response.prepare(request)
            await response.write(b"--frame\r\n")
            while True:
                newer = self._newer
                if not self.camera().get("enabled", True):
                    await response.write(part(OFF, drawn=True))
                elif self.latest and not self.stalled:
                    await response.write(part(self.latest, timestamp=_timestamp(self.latest)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(newer.wait(), 1)
        except ConnectionError:
            return response
        finally:
            self.watching -= 1
            self._open.discard(transport)
