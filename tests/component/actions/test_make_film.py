"""The action that makes a film of the pictures in a folder, and the time-lapse whose pictures they are."""

import asyncio
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import pytest
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized
from PIL import Image
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.pi_mjpeg.actions import make_film
from custom_components.pi_mjpeg.clips import library as library_module
from custom_components.pi_mjpeg.clips.library import LIBRARY
from custom_components.pi_mjpeg.const import DOMAIN

FOLDER = "time-lapse/2026-11-22"


@pytest.fixture(autouse=True)
def media(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Local media of its own, and a folder for films that are being made."""
    hass.config.config_dir = str(tmp_path)
    media = tmp_path / "media"
    (media / FOLDER).mkdir(parents=True)
    hass.config.media_dirs = {"local": str(media)}
    hass.config.allowlist_external_dirs = {str(media)}
    return media


def picture(level: int, size: tuple[int, int] = (160, 90), orientation: int = 1) -> bytes:
    """Return a grey JPEG."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def fill(folder: Path, pictures: Iterable[tuple[str, bytes]]) -> None:
    for name, content in pictures:
        (folder / name).write_bytes(content)


def names(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def cache(hass: HomeAssistant) -> Path:
    """Return the folder in which films are made."""
    return Path(hass.config.cache_path(DOMAIN, "clips"))


async def film(hass: HomeAssistant, **data: object) -> dict[str, Any]:
    """Make a film of the folder, and return the response."""
    data = {"folder": FOLDER, "filename": "films/{entity_id}.mp4", **data}
    answer = await hass.services.async_call(DOMAIN, "make_film", data, blocking=True, return_response=True)
    assert isinstance(answer, dict)
    return answer


def frames(path: Path) -> list[tuple[float, int, tuple[int, int]]]:
    """Return the time, the level of grey and the size of each picture of a film."""
    with av.open(str(path), "r") as opened:
        assert opened.streams.video[0].codec_context.name == "h264"
        return [
            (round(float(frame.time or 0), 3), int(frame.to_ndarray(format="gray").mean()), (frame.width, frame.height))
            for frame in opened.decode(video=0)
        ]


async def test_a_film_has_the_pictures_in_the_order_of_their_names(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path
) -> None:
    levels = [20, 120, 220, 70]
    # Whatever the order in which they were written.
    fill(media / FOLDER, [(f"20261122-1000{n:02}.jpg", picture(levels[n])) for n in (3, 1, 0, 2)])
    answer = await film(hass, filename="films/day.mp4", rate=2)
    path = media / "films/day.mp4"
    assert answer == {"path": str(path), "frames": 4, "duration": 2.0, "bytes": path.stat().st_size}
    found = await hass.async_add_executor_job(frames, path)
    assert [time for time, _, _ in found] == [0, 0.5, 1, 1.5]
    assert [level for _, level, _ in found] == pytest.approx(levels, abs=4)
    assert names(path.parent) == ["day.mp4"]
    assert names(cache(hass)) == []


async def test_what_is_no_picture_is_left_out_and_all_have_the_size_of_the_first(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path
) -> None:
    folder = media / FOLDER
    fill(folder, [("b.JPEG", picture(50)), ("c.jpg", b"no picture"), ("d.jpg", picture(150, (320, 240)))])
    fill(folder, [("e.jpg", picture(250, (90, 160), orientation=6)), ("notes.txt", b"x"), ("a.png", picture(99))])
    (folder / "f.jpg").mkdir()
    (folder / "g.jpg").symlink_to(folder / "nowhere")
    assert (await film(hass, filename="day.mp4"))["frames"] == 3
    found = await hass.async_add_executor_job(frames, media / "day.mp4")
    assert [size for _, _, size in found] == [(160, 90)] * 3
    assert [level for _, level, _ in found] == pytest.approx([50, 150, 250], abs=4)


async def test_a_pipe_among_the_pictures_holds_up_nothing(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path
) -> None:
    fill(media / FOLDER, [("a.jpg", picture(50))])
    pipe = media / FOLDER / "b.jpg"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    try:
        async with asyncio.timeout(20):
            assert (await film(hass, filename="day.mp4"))["frames"] == 1
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"filename": "day.mjpeg"}, "not_an_mp4"),
        ({"filename": "day"}, "not_an_mp4"),
        ({"filename": "/etc/day.mp4"}, "path_not_allowed"),
        ({"filename": "../day.mp4"}, "path_not_allowed"),
        ({"folder": "/etc"}, "path_not_allowed"),
        ({"folder": "../.storage"}, "path_not_allowed"),
        ({"folder": "nowhere"}, "folder_not_read"),
        ({"folder": f"{FOLDER}/a.jpg"}, "folder_not_read"),
        ({"folder": "time-lapse"}, "no_pictures"),
    ],
)
async def test_what_cannot_be_is_said_in_words(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path, data: dict[str, str], key: str
) -> None:
    fill(media / FOLDER, [("a.jpg", picture(9))])
    with pytest.raises(ServiceValidationError) as caught:
        await film(hass, **{"filename": "day.mp4", **data})
    assert caught.value.translation_key == key
    assert names(media) == ["time-lapse"]


@pytest.mark.parametrize("data", [{"rate": 0}, {"rate": 61}, {"rate": "x"}, {"folder": "{{ x }}"}, {"seconds": 1}])
async def test_wrong_values_are_refused(hass: HomeAssistant, loaded: MockConfigEntry, data: dict[str, object]) -> None:
    with pytest.raises(
        Exception, match=r"value must be|expected float|not a valid option|extra keys|Unknown|templates"
    ):
        await film(hass, **data)


async def test_a_folder_with_too_many_pictures_is_refused(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_film, "MAX_PICTURES", 3)
    fill(media / FOLDER, [(f"{n}.jpg", picture(9)) for n in range(3)])
    assert (await film(hass, filename="day.mp4"))["frames"] == 3
    fill(media / FOLDER, [("3.jpg", picture(9))])
    with pytest.raises(ServiceValidationError, match=r"more than 3 pictures|too_many_pictures"):
        await film(hass, filename="day.mp4")


async def test_without_an_encoder_or_a_whole_picture_there_is_no_film(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(media / FOLDER, [("a.jpg", b"no picture")])
    with pytest.raises(HomeAssistantError, match="no picture that can be decoded"):
        await film(hass, filename="day.mp4")
    assert names(media) == ["time-lapse"]
    assert names(cache(hass)) == []
    monkeypatch.setattr(library_module, "can_make_films", lambda: False)
    monkeypatch.setattr(hass.data[LIBRARY], "_can_make_films", None)
    with pytest.raises(ServiceValidationError) as caught:
        await film(hass, filename="day.mp4")
    assert caught.value.translation_key == "no_films_of_folders"


async def test_it_is_for_administrators_and_automations(
    hass: HomeAssistant, loaded: MockConfigEntry, media: Path
) -> None:
    await hass.auth.async_create_user("Owner")
    child = await hass.auth.async_create_user("Child", group_ids=["system-users"])
    data = {"folder": FOLDER, "filename": "day.mp4"}
    with pytest.raises(Unauthorized):
        await hass.services.async_call(DOMAIN, "make_film", data, blocking=True, context=Context(user_id=child.id))


async def test_what_a_killed_home_assistant_left_is_deleted(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    def leave() -> None:
        cache(hass).mkdir(parents=True)
        fill(cache(hass), [(name, b"x") for name in ("0a.mjpeg", "0b.time-lapse", "0c.unfinished", "node-front.mp4")])

    await hass.async_add_executor_job(leave)
    await hass.data[LIBRARY].async_setup()
    assert names(cache(hass)) == ["node-front.mp4"]
