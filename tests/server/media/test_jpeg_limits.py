"""Pictures that would cost a decoder minutes or gigabytes: refused before anything decodes them."""

import asyncio
import io
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.media import jpeg, placard, scaling
from pi_mjpeg_server.media.jpeg_parser import JpegParser
from PIL import Image
from tooling.network import free_ports

from tests.server.support.scripted_camera import Script, camera, grey, serving, until


def flat(size: tuple[int, int], **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "JPEG", **how)
    return buffer.getvalue()


def encoded(size: tuple[int, int], mode: str = "RGB", **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 30).convert(mode).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def with_repeated_scan(picture: bytes, times: int) -> bytes:
    """Return a picture whose last scan, with its tables, comes again and again."""
    last = picture.rindex(b"\xff\xc4")
    return picture[:-2] + picture[last:-2] * times + picture[-2:]


def claiming(picture: bytes, width: int, height: int) -> bytes:
    """Return a picture whose frame header claims another size."""
    frame = next(at for at in (picture.find(bytes((0xFF, kind, 0))) for kind in (0xC0, 0xC2)) if at > 0)
    return picture[: frame + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + picture[frame + 9 :]


def with_segments(marker: int, body: bytes, count: int) -> bytes:
    segment = bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
    return grey(1)[:2] + segment * count + grey(1)[2:]


TINY_SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
PROGRESSIVE = encoded((640, 480), progressive=True, subsampling=0)
ATTACKS = {
    "last scan 10000 times": with_repeated_scan(flat((1280, 720), progressive=True), 10_000),
    "last scan 166666 times": with_repeated_scan(flat((1280, 720), progressive=True), 166_666),
    "65500x2700 progressive": claiming(PROGRESSIVE, 65_500, 2700),
    "13300x13300": claiming(encoded((640, 480)), 13_300, 13_300),
    "13300x13300 progressive": claiming(PROGRESSIVE, 13_300, 13_300),
    "8000x8000 progressive": claiming(PROGRESSIVE, 8000, 8000),
    "4096x4096 progressive grey": claiming(encoded((640, 480), "L", progressive=True), 4096, 4096),
    "65500x16": claiming(encoded((640, 480)), 65_500, 16),
    "50 scans of 12 megapixels": with_repeated_scan(flat((4000, 3000), progressive=True), 50),
    "many tiny scans": PROGRESSIVE[:-2] + TINY_SCAN * 100_000 + b"\xff\xd9",
    "many tiny scans of a baseline picture": grey(1)[:-2] + TINY_SCAN * 100_000 + b"\xff\xd9",
    "no width": claiming(encoded((640, 480)), 0, 480),
    "no height": claiming(encoded((640, 480)), 640, 0),
    "many comments": with_segments(0xFE, b"", 500_000),
    "many tables": with_segments(0xDB, (b"\0" + bytes(64)) * 1000, 30),
    "two frame headers": grey(1)[:2] + grey(1)[grey(1).index(b"\xff\xc0") :][:13] + grey(1)[2:],
    "truncated": encoded((640, 480))[:300],
}
ALL_ATTACKS = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)


@ALL_ATTACKS
def test_an_attack_is_refused_in_no_time(attack: bytes) -> None:
    start = time.process_time()
    with pytest.raises(scaling.ScalingError):
        scaling._scale(attack, 320, None)  # noqa: SLF001  (what runs in the thread)
    assert time.process_time() - start < 0.05


@pytest.mark.parametrize("name", [name for name in ATTACKS if "baseline" not in name and "tables" not in name])
def test_an_attack_by_a_webcam_or_a_file_reaches_no_viewer(name: str) -> None:
    parser = JpegParser()
    for _ in range(10):
        parser.parse(grey(1))
    start = time.process_time()
    for _ in range(3):
        with pytest.raises(jpeg.JpegError):
            parser.parse(ATTACKS[name])
    assert time.process_time() - start < 0.3


def test_a_crafted_exif_segment_costs_nothing() -> None:
    # 5000 entries with another tag each, all of which refer to the same 60 kB.
    entries = b"".join(
        tag.to_bytes(2, "big") + b"\0\x07" + (60_000).to_bytes(4, "big") + (8).to_bytes(4, "big")
        for tag in range(0x9000, 0x9000 + 5000)
    )
    tiff = b"MM\0\x2a\0\0\0\x08" + (5000).to_bytes(2, "big") + entries
    attack = with_segments(0xE1, b"Exif\0\0" + tiff, 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    scaling._scale(attack, 16, None)  # noqa: SLF001
    assert time.process_time() - start < 0.1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize(
    "picture",
    [
        encoded((4056, 3040), quality=50),
        encoded((4056, 3040), progressive=True, quality=50),
        claiming(encoded((640, 480)), 9248, 6900),
        with_repeated_scan(encoded((1280, 720), progressive=True), 50),
        encoded((16, 16)),
    ],
    ids=["12 Mpx", "12 Mpx progressive", "64 Mpx", "60 scans", "tiny"],
)
def test_what_cameras_send_is_within_the_limits(picture: bytes) -> None:
    jpeg.check_limits(picture)


def test_a_placard_for_a_huge_picture_is_small() -> None:
    for size in ((16_384, 16_384), (65_500, 16), (1, 1)):
        drawn = placard.draw(size, "A camera with a long name " * 5, "no picture", 0, 1)
        assert max(jpeg.size(drawn)) <= 1920


def scaled(url: str, camera_id: str) -> str:
    return f"{url}/cameras/{camera_id}/snapshot.jpg?width=16"


@ALL_ATTACKS
async def test_another_cameras_scaled_picture_comes_meanwhile(tmp_path: Path, attack: bytes) -> None:
    bad, good = Script(fps=10, picture=attack), Script()
    async with (
        serving(tmp_path, [camera(bad, "bad"), camera(good, "good")]) as served,
        aiohttp.ClientSession() as client,
    ):
        await until(lambda: bad.frames > 0 and good.frames > 0)
        start = time.monotonic()
        refused = [asyncio.create_task(client.get(scaled(served.url, "bad"))) for _ in range(8)]
        async with client.get(scaled(served.url, "good")) as response:
            assert response.status == 200
        assert time.monotonic() - start < 2
        for task in refused:
            response = await task
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "not_scaled"


async def test_a_picture_that_never_ends_costs_its_own_camera_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale, release, started = scaling._scale, threading.Event(), []  # noqa: SLF001

    hanging = grey(7, (80, 60))

    def endless(picture: bytes, *arguments: Any) -> bytes:  # noqa: ANN401  (its own)
        if picture == hanging:
            started.append(picture)
            release.wait()
        return scale(picture, *arguments)

    monkeypatch.setattr(scaling, "_scale", endless)
    monkeypatch.setattr(scaling, "SCALING_TIMEOUT", 0.5)
    scripts = {f"bad{number}": Script(picture=hanging) for number in range(3)} | {"good": Script()}
    cameras = [camera(script, name) for name, script in scripts.items()]
    async with serving(tmp_path, cameras) as served, aiohttp.ClientSession() as client:
        await until(lambda: all(script.frames for script in scripts.values()))
        for _ in range(3):
            refused = [client.get(scaled(served.url, name)) for name in scripts if name != "good"]
            for response in await asyncio.gather(*refused):
                assert response.status == 503
                assert "within" in (await response.json())["error"]["message"]
            async with client.get(scaled(served.url, "good")) as response:
                assert response.status == 200
        assert len(started) == 3
        await until(lambda: sum(thread.name == "scaler" for thread in threading.enumerate()) == 3)
        release.set()
        await asyncio.sleep(0.1)
        async with client.get(scaled(served.url, "bad0")) as response:
            assert response.status == 200


def test_a_server_that_scales_without_end_stops_at_sigterm(tmp_path: Path) -> None:
    (port,) = free_ports(0)
    program = textwrap.dedent(
        """
        import sys, time
        from pi_mjpeg_server import cli
        from pi_mjpeg_server.media import placard, scaling
        endless = lambda *_: time.sleep(3600)
        scaling._scale = placard.draw = endless
        sys.exit(cli.main(sys.argv[1:]))
        """
    )
    arguments = ["run", "--no-auth", "--host", "127.0.0.1", "--port", str(port), "--state-dir", str(tmp_path)]
    command = [sys.executable, "-c", program, *arguments, "--source", "emulated", "--size", "64x48"]
    server = subprocess.Popen(command, env={**os.environ})  # noqa: S603
    try:
        answered(lambda: fetch(f"http://127.0.0.1:{port}/snapshot.jpg", 5))
        with pytest.raises(TimeoutError):
            fetch(scaled(f"http://127.0.0.1:{port}", "camera"), 1)
        server.send_signal(signal.SIGTERM)
        start = time.monotonic()
        server.wait(15)
        assert time.monotonic() - start < 8
    finally:
        server.kill()
        server.wait()


def fetch(url: str, timeout: float) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310  (our own server)
        data: bytes = answer.read()
        return data


def answered(call: Callable[[], bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            call()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
