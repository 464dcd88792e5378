"""Recordings by Home Assistant: their source, and that nothing else is made of it."""

import asyncio
import io
import socket
from pathlib import Path

import aiohttp
import av
import pytest
from homeassistant.components.camera import async_get_stream_source
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from PIL import Image
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    WebSocketGenerator,
)
from yarl import URL

from tests.component.conftest import FRONT, add_entry, until
from tests.component.support.fake_pi import Pi, jpeg

SECRET = "the-token-of-the-pi"  # noqa: S105 - the tests' own


@pytest.fixture
async def entry(hass: HomeAssistant, pi: Pi) -> MockConfigEntry:
    """An entry for a Pi that wants a token, in a Home Assistant that can record."""
    pi.token = SECRET
    assert await async_setup_component(hass, "stream", {})
    return add_entry(hass, url=pi.url, token=SECRET)


def plain_picture(grey: int) -> bytes:
    """Return a JPEG that a decoder takes."""
    file = io.BytesIO()
    Image.new("L", (64, 48), grey).save(file, "JPEG")
    return file.getvalue()


async def source_of(hass: HomeAssistant) -> URL:
    source = await async_get_stream_source(hass, FRONT)
    assert source is not None
    return URL(source)


async def test_the_source_is_valid_until_the_entry_is_unloaded(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    pi.show(jpeg(1))
    source = await source_of(hass)
    assert source.host == "127.0.0.1"
    assert await source_of(hass) == source
    async with aiohttp.ClientSession() as session:
        async with session.get(source) as response:
            await response.content.readuntil(jpeg(1))
            assert pi.streams == 1
            assert await hass.config_entries.async_unload(loaded.entry_id)
            async with asyncio.timeout(1):
                await response.content.read()
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(source)


async def test_the_source_has_a_password_of_its_own(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    source = await source_of(hass)
    assert SECRET not in str(source)
    async with aiohttp.ClientSession() as session:
        for wrong in (source.with_user(None), source.with_password("x"), source.with_password("é")):
            async with session.get(wrong) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert pi.streams == 0


async def test_a_port_that_cannot_be_opened_is_an_error_and_tried_again(
    hass: HomeAssistant, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise OSError("no port is free")

        patch.setattr(socket.socket, "bind", refuse)
        with pytest.raises(OSError, match="no port is free"):
            await async_get_stream_source(hass, FRONT)
    await source_of(hass)


async def seconds_of_film(hass: HomeAssistant, pi: Pi, film: Path, asked: int) -> float:
    """Record for so many seconds at about 10 pictures a second, and return how long the film is."""
    hass.config.allowlist_external_dirs = {str(film.parent)}
    data = {"entity_id": FRONT, "filename": str(film), "duration": asked}
    recording = hass.async_create_task(hass.services.async_call("camera", "record", data, blocking=True))
    for number in range(20 * asked):
        pi.show(plain_picture(number))
        await asyncio.sleep(0.1)
        if recording.done():
            break
    await recording

    def seconds() -> float:
        with av.open(str(film)) as container:
            times = [packet.pts * packet.time_base for packet in container.demux() if packet.pts is not None]
        return float(times[-1] - times[0])

    return await hass.async_add_executor_job(seconds)


async def test_a_recording_has_the_times_at_which_the_pictures_came(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path
) -> None:
    # At ffmpeg's own 25 pictures a second they would last for 1.2.
    assert await seconds_of_film(hass, pi, tmp_path / "film.mp4", 3) == pytest.approx(3, abs=1)


async def test_a_second_recording_is_as_long_at_once_and_after_all_tokens_have_changed(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path
) -> None:
    """Eleven minutes later: Home Assistant changes them every five, and keeps the stream with its URL.

    At once: its worker is still about to end then, and would end the second recording with the first.
    """
    camera = hass.data[DATA_COMPONENT].get_entity(FRONT)
    assert camera is not None
    await seconds_of_film(hass, pi, tmp_path / "first.mp4", 1)
    first, tokens = camera.stream, set(camera.access_tokens)
    for _ in range(3):
        camera.async_update_token()
    assert not tokens & set(camera.access_tokens)
    assert await seconds_of_film(hass, pi, tmp_path / "second.mp4", 3) == pytest.approx(3, abs=1)
    assert camera.stream is first


async def test_unloading_ends_a_recording_and_keeps_what_there_is(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    film = tmp_path / "film.mp4"
    data = {"entity_id": FRONT, "filename": str(film), "duration": 60}
    recording = hass.async_create_task(hass.services.async_call("camera", "record", data, blocking=True))
    for number in range(40):
        pi.show(plain_picture(number))
        await asyncio.sleep(0.1)
    assert await hass.config_entries.async_unload(loaded.entry_id)
    async with asyncio.timeout(3):
        await recording
    assert film.stat().st_size > 0


async def test_playing_is_refused_in_words_and_recording_still_works(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    played = async_mock_service(hass, "media_player", "play_media")
    data = {"entity_id": FRONT, "media_player": "media_player.tv"}
    for _ in range(2):
        with pytest.raises(HomeAssistantError) as caught:
            await hass.services.async_call("camera", "play_stream", data, blocking=True)
        assert caught.value.translation_key == "only_recording"
    assert played == []
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "camera/stream", "entity_id": FRONT})
    answer = await client.receive_json()
    assert "Motion JPEG" in answer["error"]["message"]


@pytest.mark.parametrize("former", [None, b"a former film"])
async def test_a_recording_that_ends_before_it_has_a_picture_is_an_error(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path, former: bytes | None
) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    film = tmp_path / "film.mp4"
    if former is not None:
        film.write_bytes(former)
    data = {"entity_id": FRONT, "filename": str(film), "duration": 30}
    recording = hass.async_create_task(hass.services.async_call("camera", "record", data, blocking=True))
    await until(lambda: pi.watching)
    await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
    with pytest.raises(HomeAssistantError) as caught:
        await recording
    assert caught.value.translation_key == "nothing_recorded"
    assert film.exists() is (former is not None)
