"""Common clients of a server with a token, over HTTP and over TLS."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest
import pytest_asyncio
import trustme
from playwright.async_api import Browser
from tooling.programs import program

from tests.e2e.firefox import ENTER, Tab, firefox
from tests.e2e.pictures import size, until_true
from tests.server.support.scripted_camera import Script, Served, camera, serving, until
from tests.server.web.transport.test_tls import write

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE_LOADED = "document.querySelector('.picture img')?.naturalWidth > 0"


@pytest_asyncio.fixture(loop_scope="session", params=["http", "https"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a token. Over TLS, `authority.pem` beside its state is the certificate authority."""
    settings: dict[str, Any] = {}
    if request.param == "https":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        settings = write(authority, tmp_path)
    script = Script(fps=20)
    async with serving(tmp_path, [camera(script, linger=5)], needs_token=True, **settings) as running:
        await until(lambda: script.frames > 0)
        yield running


def token(served: Served) -> str:
    assert served.server.token is not None
    return served.server.token.value


def stream_url(served: Served) -> str:
    """Return the stream's URL with the token as password, as media players accept it."""
    return f"{served.url}/stream".replace("://", f"://viewer:{token(served)}@")


async def run(name: str, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program and capture its output."""
    command: Sequence[str | Path] = [program(name), *arguments]
    return await asyncio.to_thread(
        lambda: subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=40,
            check=check,
            stdin=subprocess.DEVNULL,
        )
    )


async def test_curl(served: Served, tmp_path: Path) -> None:
    authority: list[str | Path] = ["--cacert", tmp_path / "authority.pem"] if served.url.startswith("https") else []
    password = ["--user", f"me:{token(served)}"]
    for credential in (password, ["--anyauth", *password], ["--header", f"Authorization: Bearer {token(served)}"]):
        body = tmp_path / "snapshot.jpg"
        await run("curl", "--silent", "--fail", *authority, *credential, "--output", body, f"{served.url}/snapshot.jpg")
        assert size(body.read_bytes()) == (64, 48)
    refused = await run("curl", "--silent", "--fail", *authority, f"{served.url}/snapshot.jpg", check=False)
    assert refused.returncode == 22


async def test_ffmpeg(served: Served) -> None:
    done = await run(
        *("ffmpeg", "-hide_banner", "-loglevel", "error", "-f", "mpjpeg", "-i", stream_url(served)),
        *("-frames:v", "20", "-f", "framemd5", "-"),
    )
    frames = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(frames) == 20


async def test_mpv(served: Served, tmp_path: Path) -> None:
    await run(
        *("mpv", "--no-config", "--no-audio", "--vo=image", "--vo-image-format=png", "--frames=10", "--really-quiet"),
        f"--vo-image-outdir={tmp_path / 'shown'}",
        stream_url(served),
    )
    assert len(list((tmp_path / "shown").iterdir())) >= 9


async def test_opencv(served: Served) -> None:
    def captured() -> list[tuple[int, ...]]:
        capture = cv2.VideoCapture(stream_url(served), cv2.CAP_FFMPEG)
        try:
            pictures = [capture.read() for _ in range(10)]
        finally:
            capture.release()
        assert all(successful for successful, _ in pictures)
        return [picture.shape for _, picture in pictures]

    assert set(await asyncio.to_thread(captured)) == {(48, 64, 3)}


async def test_chromium(served: Served, browser: Browser) -> None:
    context = await browser.new_context(ignore_https_errors=True)
    try:
        page = await context.new_page()
        page.set_default_timeout(15_000)
        await page.goto(f"{served.url}/login")
        await page.fill("#token", token(served))
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{served.url}/")
        await until_true(page, IMAGE_LOADED)
        (cookie,) = await context.cookies()
        assert cookie["httpOnly"]
        assert cookie["secure"] is served.url.startswith("https")
    finally:
        await context.close()


async def test_an_image_in_a_page_of_another_server(served: Served, browser: Browser) -> None:
    assert served.server.view_tokens is not None
    view = served.server.view_tokens.make("front")
    context = await browser.new_context(ignore_https_errors=True)
    try:
        page = await context.new_page()
        page.set_default_timeout(15_000)
        for path in ("stream", "cameras/front/stream", "snapshot.jpg", "webcam/?action=stream"):
            url = f"{served.url}/{path}{'&' if '?' in path else '?'}token={view}"
            await page.set_content(f'<div class="picture"><img src="{url}"></div>')
            await until_true(page, IMAGE_LOADED)
    finally:
        await context.close()


async def test_firefox(served: Served, tmp_path: Path) -> None:
    async with firefox(tmp_path / "firefox") as tab:
        await tab.navigate(served.url)
        assert await tab.evaluate("location.pathname") == "/login"
        await until_true(tab, "document.activeElement === document.forms[0].token")
        await tab.type(f"{token(served)}{ENTER}")
        await until_true(tab, IMAGE_LOADED)
        assert (await tab.evaluate("document.querySelector('.picture img').src")).startswith(f"{served.url}/cameras/")
        assert await picture_changes(tab)
        await tab.evaluate("document.querySelector('.snapshot').click()")
        await until_true(tab, "document.querySelector('a[download]') !== null")
        kept = "fetch(document.querySelector('a[download]')).then((answer) => answer.blob()).then(createImageBitmap)"
        assert await tab.evaluate(f"{kept}.then(({{ width, height }}) => [width, height])") == [64, 48]


async def picture_changes(tab: Tab) -> bool:
    """Return whether the first camera's picture changes on the screen within 4 seconds."""
    first = await tab.screenshot(".picture img")
    for _ in range(20):
        await asyncio.sleep(0.2)
        if await tab.screenshot(".picture img") != first:
            return True
    return False
