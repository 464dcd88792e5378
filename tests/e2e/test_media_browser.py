"""The media browser of Home Assistant on a phone shows thumbnails and plays what the Pi keeps, in two browsers."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser
from tooling.hass_client import USERNAME, until
from tooling.stack import Stack

from tests.e2e.firefox import ENTER, ESCAPE
from tests.e2e.phones import Phone, chromium_phone, elements, firefox_phone, shown
from tests.e2e.pictures import until_true

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TIMEOUT = 60.0  # seconds; Home Assistant's frontend loads slowly at first
_SIZE = [1280, 720]
_TOLERANCE = 4.0  # levels of 255 on average; H.264 loses some
_PLAYER = "hui-dialog-web-browser-play-media"
_VIDEO = f"{elements('video')}[0]"
_IMAGE = f"{elements('img')}.find((image) => image.src.includes('/api/pi_mjpeg/'))"
_LOADED = f"{_IMAGE}?.naturalWidth === {_SIZE[0]}"

# The size of the thumbnail of a clip's or snapshot's card, once that is decoded.
_THUMBNAIL = f"""(async (card) => {{
    const image = new Image();
    image.src = {elements(".image[style]", "card")}[0].style.backgroundImage.slice(5, -2);
    await image.decode();
    return [image.naturalWidth, image.naturalHeight];
}})"""

# What the media browser does with a clip of which no film can be made.
_SHOW_REPLAY = f"""document.querySelector("home-assistant").dispatchEvent(new CustomEvent("show-dialog", {{detail: {{
    dialogTag: "{_PLAYER}",
    dialogImport: () => customElements.whenDefined("{_PLAYER}"),
    dialogParams: {{sourceUrl: %s, sourceType: "image/jpeg", title: "Replay"}},
}}}}))"""


@dataclass(frozen=True)
class _Kept:
    """A clip with its last picture, and a snapshot that was taken after it."""

    clip: dict[str, Any]
    last: bytes
    snapshot: bytes

    @property
    def clip_id(self) -> str:
        return str(self.clip["media_content_id"])


@pytest_asyncio.fixture(loop_scope="session", params=["chromium", "firefox"])
async def phone(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> AsyncIterator[Phone]:
    page = chromium_phone(browser) if request.param == "chromium" else firefox_phone(tmp_path / "firefox")
    async with page as opened:
        yield opened


async def _keep(stack: Stack) -> _Kept | None:
    """Record a clip of a second, and keep a snapshot. None if the clip ends with the digit that it begins with."""
    target = {"entity_id": stack.camera}
    asked = "/api/services/pi_mjpeg/{}?return_response"
    answer = await stack.client.post(asked.format("record_clip"), {**target, "before": 0, "after": 1})
    clip = answer["service_response"][stack.camera]
    answer = await stack.client.post(asked.format("take_snapshot"), target)
    async with aiohttp.ClientSession() as session:
        async with session.get(answer["service_response"][stack.camera]["url"]) as response:
            snapshot = await response.read()
        async with session.get(clip["url"]) as response:
            replay = await response.read()
    pictures = [part.partition(b"\r\n\r\n")[2] for part in replay.split(b"--frame\r\n") if b"\r\n\r\n" in part]
    assert len(pictures) == clip["frames"]
    if _difference(_decoded(pictures[0]), pictures[-1]) < 2 * _TOLERANCE:
        return None
    return _Kept(clip, pictures[-1], snapshot)


async def _open_day(phone: Phone, stack: Stack, clip_id: str) -> None:
    """Open the day of a clip, and sign in."""
    folders = (("app", "media-source://pi_mjpeg"), ("video", clip_id.rpartition("/")[0]))
    path = "/".join(quote(",".join(folder), safe="") for folder in folders)
    await phone.navigate(f"{stack.home_assistant.url}/media-browser/browser/{path}")
    for name, text in (("username", USERNAME), ("password", stack.password)):
        field = f"{elements(f'input[name={name}]')}[0]"
        await until_true(phone, f"{field} !== undefined && ({field}.focus(), true)", _TIMEOUT)
        await phone.type(text)
    await phone.type(ENTER)
    await until_true(phone, f"{elements('.child')}.length > 1", _TIMEOUT)


def _decoded(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def _difference(picture: Image.Image, jpeg: bytes) -> float:
    """Return how many levels the pixels differ on average."""
    return float(np.abs(np.asarray(picture, dtype=float) - np.asarray(_decoded(jpeg), dtype=float)).mean())


async def _until_shown(phone: Phone, element: str, jpeg: bytes) -> None:
    """Wait until an element shows a picture."""

    async def same() -> bool:
        return _difference(await shown(phone, element), jpeg) < _TOLERANCE

    await until(same, "the picture is shown")


async def _close(phone: Phone, element: str) -> None:
    await phone.type(ESCAPE)
    await until_true(phone, f"!{element}", _TIMEOUT)


async def test_a_clip_and_a_snapshot_have_thumbnails_and_are_played(stack: Stack, phone: Phone) -> None:
    kept = await until(lambda: _keep(stack), "a clip ends with another digit than it begins with")
    await _open_day(phone, stack, kept.clip_id)
    # The newest are the first. Other tests of this stack may have kept some too.
    newest = f"{elements('.child')}[0]"
    film = f"{elements('.child')}.find((child) => child.item.media_content_id === {kept.clip_id!r})"
    assert str(await phone.evaluate(f"{newest}.item.media_content_id")).endswith(".jpg")
    for card in (newest, film):
        await until_true(phone, f"{_THUMBNAIL}({card}).then(([width, height]) => width * 9 === height * 16)", _TIMEOUT)

    await phone.evaluate(f"{film}.click()")
    await until_true(phone, f"{_VIDEO}?.ended", _TIMEOUT)
    assert await phone.evaluate(f"[{_VIDEO}.videoWidth, {_VIDEO}.videoHeight]") == _SIZE
    assert await phone.evaluate(f"{_VIDEO}.duration") == pytest.approx(kept.clip["duration"], abs=0.2)
    await _until_shown(phone, _VIDEO, kept.last)
    await _close(phone, _VIDEO)

    entry_id, *_, clip_id = kept.clip_id.removeprefix("media-source://pi_mjpeg/").split("/")
    path = f"/api/pi_mjpeg/clips/{entry_id}/{clip_id}.mjpeg"
    signed = await stack.client.command("auth/sign_path", path=path)
    await phone.evaluate(_SHOW_REPLAY % json.dumps(signed["path"]))
    await until_true(phone, _LOADED, _TIMEOUT)
    await _until_shown(phone, _IMAGE, kept.last)
    await _close(phone, _IMAGE)

    await phone.evaluate(f"{newest}.click()")
    await until_true(phone, _LOADED, _TIMEOUT)
    await _until_shown(phone, _IMAGE, kept.snapshot)
