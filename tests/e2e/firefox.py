"""Firefox, driven by WebDriver BiDi, which it supports without a separate driver."""

import base64
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from tooling.processes import Program
from tooling.programs import program

_TIMEOUT = 60.0  # seconds; the first start creates a profile, which is slow on a small machine

# All requests beyond this machine, DNS included, go to a proxy that does not exist, so no test reaches Mozilla's hosts.
_PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
    "network.proxy.socks_remote_dns": True,
    "network.proxy.failover_direct": False,
    "network.proxy.allow_bypass": False,
}

ENTER = "\ue007"
"""The Enter key in WebDriver's notation."""

ESCAPE = "\ue00c"
"""The Escape key."""


class Tab:
    """The only tab of a Firefox."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._context = ""

    async def start_session(self) -> None:
        """Start a session that accepts self-signed certificates."""
        await self.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def navigate(self, url: str) -> None:
        """Open a URL and wait until the document is parsed."""
        await self.command("browsingContext.navigate", context=self._context, url=url, wait="interactive")

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        """Return the value of a JavaScript expression. A promise is awaited."""
        answer = await self._evaluate_raw(f"(async () => JSON.stringify((await ({expression})) ?? null))()")
        return json.loads(answer["value"])

    async def type(self, text: str) -> None:
        """Press keys. `ENTER` and `ESCAPE` are two of them."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": keys}]
        await self.command("input.performActions", context=self._context, actions=actions)

    async def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        viewport = {"width": width, "height": height}
        await self.command("browsingContext.setViewport", context=self._context, viewport=viewport)

    async def screenshot(self, selector: str | None = None) -> bytes:
        """Return a screenshot of an element, or of the page, as a PNG."""
        clip = {}
        if selector is not None:
            element = await self._evaluate_raw(f"document.querySelector({json.dumps(selector)})")
            clip = {"clip": {"type": "element", "element": {"sharedId": element["sharedId"]}}}
        answer = await self.command("browsingContext.captureScreenshot", context=self._context, **clip)
        return base64.b64decode(answer["data"])

    async def command(self, method: str, **params: Any) -> Any:  # noqa: ANN401  (JSON)
        """Send a BiDi command and return its result. Fails with Firefox's error message."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (answer := await self._socket.receive_json(timeout=_TIMEOUT)).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    async def _evaluate_raw(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        target = {"context": self._context}
        answer = await self.command("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"]


@contextlib.asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Tab]:
    """Start a headless Firefox with a new profile in `folder`."""
    profile = folder / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log = folder / "firefox.log"
    arguments: list[str | Path] = ["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile]
    # Without this, its crash reporter starts beside it.
    environment = {"HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"}
    process = Program("Firefox", [program("firefox"), *arguments], log, environment)

    def listening() -> re.Match[str] | None:
        return re.search(r"BiDi listening on (ws://\S+)", log.read_text(errors="replace"))

    process.start()
    try:
        await process.wait_until(lambda: listening() is not None, _TIMEOUT)
        found = listening()
        assert found is not None
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{found[1]}/session") as socket:
            tab = Tab(socket)
            await tab.start_session()
            yield tab
    finally:
        process.stop()
