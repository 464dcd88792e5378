"""Links to pictures and films: valid for a day, and only for those who have them."""

import asyncio
import os
from pathlib import Path
from time import time

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.actions import links
from tests.component.support.fake_pi import jpeg


@pytest.fixture(autouse=True)
def _own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.config_dir = str(tmp_path)


async def test_the_link_of_a_film_is_valid_for_a_day_and_outlives_the_film(
    hass: HomeAssistant, loaded: MockConfigEntry, tmp_path: Path, hass_client_no_auth: ClientSessionGenerator
) -> None:
    made = tmp_path / "made.mp4"
    await hass.async_add_executor_job(made.write_bytes, b"film")
    link = await links.async_publish_film(hass, made)
    await hass.async_add_executor_job(made.unlink)
    client = await hass_client_no_auth()
    assert await (await client.get(link)).read() == b"film"
    file = Path(hass.config.cache_path("pi_mjpeg", "films")) / link.rsplit("/", 1)[1]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await client.get(link.replace("mp4", "jpg"))).status == 404
    assert (await client.get(link.replace("films", "pictures"))).status == 404
    later = time() - links.LIFETIME - 1
    os.utime(file, (later, later))
    assert (await client.get(link)).status == 404
    with pytest.raises(HomeAssistantError) as caught:
        await links.async_publish_film(hass, made)
    assert caught.value.translation_key == "not_written"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_link_is_valid_for_a_day_and_found_by_nobody(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    link = await links.async_publish(hass, jpeg(1))
    client = await hass_client_no_auth()
    assert (await client.get(link)).status == 200
    file = Path(hass.config.cache_path("pi_mjpeg", "pictures")) / link.rsplit("/", 1)[1]
    assert file.stat().st_mode & 0o777 == 0o600
    names = ("..%2Fa.jpg", "%00.jpg", f"{'a' * 300}.jpg")
    for wrong in (f"{link}x", link[:-4], f"{link[:-5]}~.jpg", *(link.replace(file.name, name) for name in names)):
        assert (await client.get(wrong)).status in {400, 404}
    later = time() - links.LIFETIME - 1
    os.utime(file, (later, later))
    assert (await client.get(link)).status == 404
    await links.async_publish(hass, jpeg(2))
    assert not file.exists()


async def test_the_pictures_of_links_have_a_limit(
    hass: HomeAssistant, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(links.MAX_BYTES, "jpg", 3 * len(jpeg(1)))
    for number in range(10):
        await links.async_publish(hass, jpeg(number))
        await asyncio.sleep(0.02)
    folder = Path(hass.config.cache_path("pi_mjpeg", "pictures"))
    kept = await hass.async_add_executor_job(lambda: sorted(file.read_bytes() for file in folder.iterdir()))
    assert kept == [jpeg(7), jpeg(8), jpeg(9)]


async def test_a_folder_that_cannot_be_written_is_an_error(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    folder = Path(hass.config.cache_path("pi_mjpeg", "pictures"))

    def block() -> None:
        folder.parent.mkdir(parents=True)
        folder.touch()

    await hass.async_add_executor_job(block)
    with pytest.raises(HomeAssistantError) as caught:
        await links.async_publish(hass, jpeg(1))
    assert caught.value.translation_key == "not_written"
