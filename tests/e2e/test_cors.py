"""Cross-origin requests in a browser: an allowed origin may read the responses, another one may not."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser

from tests.server.support.scripted_camera import Script, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_FETCH = """async ([address, token, options]) => {
    try {
        const json = options?.body && { "Content-Type": "application/json" };
        const headers = { Authorization: `Bearer ${token}`, ...json };
        const response = await fetch(address, { ...options, headers });
        const reader = response.body.getReader();
        const { value } = await reader.read();
        await reader.cancel();
        return [response.status, value.length, response.headers.get("X-Timestamp") !== null];
    } catch (error) {
        return error.name;
    }
}"""


@contextlib.asynccontextmanager
async def dashboard() -> AsyncIterator[str]:
    """Serve an empty page on its own origin."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Dashboard</title>", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_only_an_allowed_origin_reads_responses_and_sets_controls(tmp_path: Path, browser: Browser) -> None:
    async with (
        dashboard() as allowed,
        dashboard() as other,
        serving(tmp_path, [camera(Script(fps=5))], needs_token=True, cors_origins=(allowed,)) as served,
    ):
        await until(lambda: bool(served.server.cameras[0].controls))
        token = served.server.token
        assert token is not None
        seen: dict[str, list[Any]] = {}
        for origin in (allowed, other):
            page = await browser.new_page()
            await page.goto(origin)
            seen[origin] = [
                await page.evaluate(_FETCH, [f"{served.url}{path}", given, options])
                for path, given, options in (
                    ("/api/state", token.value, None),
                    ("/api/state", "wrong", None),
                    ("/snapshot.jpg", token.value, None),
                    ("/stream", token.value, None),
                    ("/api/cameras/front/controls", token.value, {"method": "PATCH", "body": '{"brightness": 6}'}),
                )
            ]
            await page.close()
    assert [answer[0] for answer in seen[allowed]] == [200, 401, 200, 200, 200]
    assert all(answer[1] > 0 for answer in seen[allowed])
    assert seen[allowed][2][2]
    assert seen[other] == ["TypeError"] * 5
