"""Firefox, driven by WebDriver BiDi (the W3C's protocol), which it speaks without a driver beside it."""

import base64
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from workbench.processes import Program
from workbench.programs import program

_PATIENCE = 60.0  # seconds; the first start on a small machine makes a profile

# What is not on this machine is asked of a proxy that nobody runs, names too: no test reaches Mozilla's hosts.
_PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,
    "network.proxy.socks_remote_dns": True,
    "network.proxy.failover_direct": False,
    "network.proxy.allow_bypass": False,
}

ENTER = "\ue007"
"""The key, as WebDriver writes it."""


class Tab:
    """The one tab of a Firefox."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._context = ""

    async def begin(self) -> None:
        """Begin the session; certificates of tests are accepted."""
        await self.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def go(self, url: str) -> None:
        """Open an address and wait until its document is there."""
        await self.command("browsingContext.navigate", context=self._context, url=url, wait="interactive")

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        """Return the value of an expression of JavaScript, awaited when it is a promise."""
        answer = await self._evaluated(f"(async () => JSON.stringify((await ({expression})) ?? null))()")
        return json.loads(answer["value"])

    async def type(self, text: str) -> None:
        """Press keys, `ENTER` among them."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": keys}]
        await self.command("input.performActions", context=self._context, actions=actions)

    async def screenshot(self, selector: str) -> bytes:
        """Return what an element looks like now, as a PNG."""
        element = await self._evaluated(f"document.querySelector({json.dumps(selector)})")
        clip = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        answer = await self.command("browsingContext.captureScreenshot", context=self._context, clip=clip)
        return base64.b64decode(answer["data"])

    async def command(self, method: str, **params: Any) -> Any:  # noqa: ANN401  (JSON, by the method's own rules)
        """Do what a BiDi command says; fails with Firefox's words when it does not."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (answer := await self._socket.receive_json(timeout=_PATIENCE)).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    async def _evaluated(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        target = {"context": self._context}
        answer = await self.command("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"]


@contextlib.asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Tab]:
    """Start a headless Firefox with nothing remembered; what it keeps, it keeps in FOLDER."""
    profile = folder / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    log = folder / "firefox.log"
    words: list[str | Path] = ["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile]
    process = Program("Firefox", [program("firefox"), *words], log, {"HOME": str(folder)})

    def address() -> re.Match[str] | None:
        return re.search(r"BiDi listening on (ws://\S+)", log.read_text(errors="replace"))

    process.start()
    try:
        await process.wait_until(lambda: address() is not None, _PATIENCE)
        found = address()
        assert found is not None
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{found[1]}/session") as socket:
            tab = Tab(socket)
            await tab.begin()
            yield tab
    finally:
        process.stop()
