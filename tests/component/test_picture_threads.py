"""What the pictures of a Pi cost Home Assistant: threads, time and memory, whatever a Pi sends."""

import asyncio
import io
import os
from time import thread_time

import pytest
from aiohttp import web
from PIL import ExifTags, Image
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg import pictures
from custom_components.pi_mjpeg.api import jpeg
from custom_components.pi_mjpeg.api.errors import PiMjpegError
from custom_components.pi_mjpeg.pictures import MAX_THREADS, MAX_WAITING, PictureThreads, shown_size, upright
from custom_components.pi_mjpeg.streaming.placard import PlacardDrawer, draw_stalled
from tests.component.conftest import LIVE, STILL
from tests.component.support.fake_pi import Pi
from tests.component.support.pictures import encoded, with_crafted_exif, with_scans

MAX_SECONDS = 0.2
"""Of CPU time. Each of these takes less than 0.05 s; Pillow alone takes from 0.3 s to 2 s for them."""

TURNED = Image.Exif()
TURNED[ExifTags.Base.Orientation] = 6


def noise(width: int, height: int, **options: object) -> bytes:
    """Return a turned JPEG of noise, which has more bytes than any other of this size."""
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), os.urandom(width * height * 3)).save(file, "JPEG", exif=TURNED, **options)
    return file.getvalue()


class Threads:
    """Runs work as Home Assistant's executor does, but each ends when it is told to."""

    def __init__(self) -> None:
        self.open: list[asyncio.Future[bytes]] = []

    def run(self, *_: object) -> asyncio.Future[bytes]:
        """Begin a piece of work."""
        self.open.append(asyncio.get_running_loop().create_future())
        return self.open[-1]

    def end(self) -> None:
        """End the oldest."""
        self.open.pop(0).set_result(b"drawn")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("type_", [1, 2, 3, 5, 7, 10, 12])
def test_of_exif_data_that_was_made_for_it_only_the_orientation_is_read(type_: int) -> None:
    picture = with_crafted_exif(encoded(640, 360), type_)
    jpeg.check(picture)
    # Pillow gets none of it.
    assert b"Exif" not in jpeg.decodable(picture)
    began = thread_time()
    assert shown_size(picture) == (360, 640)
    assert shown_size(upright(picture, 320, 320)) == (180, 320)
    assert shown_size(draw_stalled("Front door", picture)) == (360, 640)
    assert thread_time() - began < MAX_SECONDS


@pytest.mark.parametrize(
    ("picture", "expensive"),
    [
        (encoded(8000, 8000, exif=TURNED), True),
        (encoded(8000, 8000, exif=TURNED, subsampling=0), True),
        (encoded(16384, 3900, exif=TURNED), True),
        (encoded(4000, 3000, exif=TURNED, progressive=True), True),
        (with_scans(encoded(1920, 1040, exif=TURNED, progressive=True), 85), True),
        (noise(3800, 3800, quality=60), True),
        (noise(1920, 1080, quality=85), False),
    ],
    ids=["64MP", "64MP-444", "wide", "progressive", "scans", "14MP-noise", "1080p-noise"],
)
def test_no_picture_that_is_accepted_takes_long(picture: bytes, *, expensive: bool) -> None:
    jpeg.check(picture)
    began = thread_time()
    assert (upright(picture, None, None) is picture) is expensive
    assert thread_time() - began < MAX_SECONDS
    began = thread_time()
    draw_stalled("Front door", picture)
    assert thread_time() - began < MAX_SECONDS


@pytest.mark.parametrize("marker", [0xC4, 0xDB])
def test_a_picture_with_more_tables_than_a_camera_sends_is_not_decoded(marker: int) -> None:
    picture = encoded(64, 64, exif=TURNED)
    table = bytes([0xFF, marker, 0x40, 0x00]) + bytes(0x3FFE)
    stuffed = picture[:2] + table * 100 + picture[2:]
    with pytest.raises(jpeg.JpegError, match="tables"):
        jpeg.decodable(stuffed)
    began = thread_time()
    assert upright(stuffed, 32, 32) is stuffed
    assert thread_time() - began < MAX_SECONDS


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_exif_data_that_is_cut_off_is_no_error(cut: int) -> None:
    picture = with_crafted_exif(encoded(64, 64), 3)
    assert shown_size(picture[:cut]) is None
    body = b"\xff\xe1" + (cut + 8).to_bytes(2, "big") + picture[6 : 12 + cut]
    assert shown_size(picture[:2] + body + encoded(64, 48)[2:]) in {(64, 48), (48, 64)}


async def test_the_next_work_of_a_camera_is_not_begun_before_the_former_has_ended() -> None:
    """A thread cannot be ended: without this there is one more in each gap of an expensive camera."""
    threads = Threads()
    camera = PictureThreads(asyncio.Semaphore(MAX_THREADS), threads.run)
    drawer = PlacardDrawer("front", camera)
    turned = encoded(64, 48, exif=TURNED)
    for _ in range(5):
        works = [asyncio.create_task(drawer.draw_stalled(None)), asyncio.create_task(camera.upright(turned, 16, 16))]
        await settle()
        for work in works:
            work.cancel()
        await settle()
    assert len(threads.open) == 1
    last = asyncio.create_task(drawer.draw_stalled(None))
    await settle()
    assert len(threads.open) == 1
    threads.end()
    await settle()
    assert len(threads.open) == 1
    threads.end()
    assert await last == b"drawn"


async def test_all_cameras_together_take_two_threads() -> None:
    threads = Threads()
    slots = asyncio.Semaphore(MAX_THREADS)
    cameras = [PictureThreads(slots, threads.run) for _ in range(16)]
    turned = encoded(64, 48, exif=TURNED)
    drawings = [asyncio.create_task(PlacardDrawer("front", camera).draw_stalled(None)) for camera in cameras[::2]]
    drawings += [asyncio.create_task(camera.upright(turned, None, 16)) for camera in cameras[1::2]]
    await settle()
    assert len(threads.open) == 2
    drawings[0].cancel()
    drawings[5].cancel()
    await settle()
    assert len(threads.open) == 2
    for _ in range(15):
        threads.end()
        await settle()
        assert len(threads.open) <= 2
    assert [drawing.cancelled() for drawing in drawings].count(True) == 2
    assert all(drawing.done() for drawing in drawings)


async def test_a_thread_that_cannot_be_had_does_not_cost_the_others_their_slot() -> None:
    def refuse(*_: object) -> asyncio.Future[bytes]:
        raise RuntimeError("cannot schedule new futures after shutdown")

    slots = asyncio.Semaphore(MAX_THREADS)
    for _ in range(MAX_THREADS + 1):
        with pytest.raises(RuntimeError):
            await PlacardDrawer("front", PictureThreads(slots, refuse)).draw_stalled(None)
    assert not slots.locked()


async def test_only_so_many_requests_wait_for_the_pictures_of_a_camera() -> None:
    threads = Threads()
    camera = PictureThreads(asyncio.Semaphore(MAX_THREADS), threads.run)
    turned, straight = encoded(64, 48, exif=TURNED), encoded(64, 48)
    waiting = [asyncio.create_task(camera.upright(turned, 16, 16)) for _ in range(MAX_WAITING)]
    await settle()
    with pytest.raises(PiMjpegError, match="are waiting"):
        await camera.upright(turned, 16, 16)
    assert await camera.upright(straight, 16, 16) is straight
    placard = asyncio.create_task(PlacardDrawer("front", camera).draw_stalled(None))
    waiting.pop().cancel()
    await settle()
    waiting.append(asyncio.create_task(camera.upright(turned, 16, 16)))
    while not all(task.done() for task in [*waiting, placard]):
        await settle()
        if threads.open:
            threads.end()
    assert {await task for task in [*waiting, placard]} == {b"drawn"}


@pytest.mark.usefixtures("loaded")
async def test_a_turned_picture_that_is_expensive_here_is_asked_of_the_pi(
    pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    small = encoded(180, 320)

    async def still(_: web.Request) -> web.StreamResponse:
        return web.Response(body=small, content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = still
    pi.latest = large = with_scans(encoded(1280, 720, exif=TURNED, progressive=True), 60)
    assert pictures.is_expensive(large)
    client = await hass_client()
    view = await client.get(LIVE)
    await view.content.readuntil(large[-50:])
    response = await client.get(f"{STILL}?width=320&height=320")
    assert await response.read() == small
    view.close()
