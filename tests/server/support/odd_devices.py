"""Random webcams and random faults of theirs, from a seeded generator."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.server.support.fake_webcam import DEFAULT_CONTROLS
from tests.server.support.scripted_camera import grey

CALLS = (
    *("OPEN", "QUERYCAP", "ENUM_FMT", "S_FMT", "G_FMT", "S_PARM", "G_PARM", "REQBUFS", "QUERYBUF", "QBUF", "STREAMON"),
    *("DQBUF", "STREAMOFF", "QUERYMENU", "G_CTRL", "S_CTRL", "QUERY_EXT_CTRL", "ENUM_FRAMESIZES"),
    "ENUM_FRAMEINTERVALS",
)
ERRORS = (
    *("EPERM", "EIO", "EACCES", "EBUSY", "ENODEV", "EINVAL", "ENOSPC", "EPIPE", "ERANGE", "EPROTO", "ETIMEDOUT"),
    *("ENOTTY", "ENOMEM", "EAGAIN", "EINTR", "ENXIO", "EILSEQ"),
)
DELAYS = ("10ms", "100ms", "700ms")
ODD_CONTROLS = """\
control 0x00980900 1 0x40 -64 64 1 0 0 Write Only
control 0x00980903 1 0 100 -100 0 0 0 Inverted Hue
control 0x00980904 1 0 0 100 0 500 900 Far Out
control 0x00980906 1 0 0 100 1 50 50 ???
control 0x00980907 3 0 0 2 1 1 3 Outside Of Menu
menu 0x00980907 0 Off
control 0x00980909 3 0 0 3 1 7 1 Odd Entries
menu 0x00980909 0 a\tb
menu 0x00980909 1 same
menu 0x00980909 2 same
control 0x0098090b 3 0 0 2000000000 1 0 0 Endless Menu
menu 0x0098090b 0 One
control 0x0098090e 2 0 0 1 1 0 7 Good
control 0x009a0901 3 0 0 3 1 3 3 Auto Exposure
menu 0x009a0901 1 Manual Mode
menu 0x009a0901 3 Aperture Priority Mode
control 0x009a0902 1 0 1 5000 1 250 250 Exposure Time, Absolute
locked 0x009a0902 0x009a0901 3 EACCES
"""
MANY_CONTROLS = "".join(f"control {0x980900 + number} 1 0 0 9 1 0 1 Control {number}\n" for number in range(79))
INTERVALS = ("30", "30", "30", "15", "0/0", "1/0", "0/30", "1001/30000", "1/4294967295", "4294967295/1")


@dataclass(frozen=True)
class Device:
    """What a webcam's folder contains, and whether any of its frames is a picture."""

    modes: str
    controls: str
    frames: Sequence[bytes]
    has_pictures: bool = True


def sane_device() -> Device:
    """Return a webcam without oddities."""
    return Device("MJPG 64 48 30\nYUYV 64 48 30\n", DEFAULT_CONTROLS, [grey(level) for level in range(0, 250, 25)])


def random_device(rng: random.Random) -> Device:
    """Return a webcam that breaks rules in its modes, its controls and its frames."""
    controls = rng.choice((DEFAULT_CONTROLS, ODD_CONTROLS, MANY_CONTROLS, "", "control\n\0menu 1"))
    interval = rng.choice(INTERVALS)
    if rng.random() < 0.25:
        pixel_format, bytes_per_pixel = rng.choice((("YUYV", 2), ("UYVY", 2), ("GREY", 1)))
        line = 64 * bytes_per_pixel + rng.choice((0, 0, 32))
        raw = [bytes([level]) * (line * 48) for level in (16, 100, 235)]
        return Device(f"{pixel_format} 64 48 {interval} {line}\n", controls, [*raw, b"short", b""])
    if rng.random() < 0.15:
        return Device(f"H264 64 48 {interval}\nYV12 64 48 {interval}\n", controls, [b"\0" * 100], has_pictures=False)
    frames = [_odd_jpeg(rng) for _ in range(rng.randint(1, 8))]
    is_whole = rng.random() < 0.8
    return Device(f"MJPG 64 48 {interval}\n", controls, frames + [grey(90)] * 8 * is_whole, has_pictures=is_whole)


def random_faults(rng: random.Random) -> dict[str, str]:
    """Return up to three faults with their contents."""
    contents = {
        "unplugged": "",
        "busy": "",
        "silent": "",
        "stuck": "",
        "stop_stuck": "",
        "stamp": rng.choice(("-30", "3600", "-1", "-100000000", "constant")),
        "clock": rng.choice(("realtime", "zero", "unknown", "copy")),
        "buffer": rng.choice(("40", "0 0", "0 20", "0 4294967295", "ffff0000")),
        "capabilities": rng.choice(("mplane", "output", "readwrite")),
        "errors": "".join(_error(rng) for _ in range(rng.randint(1, 4))),
    }
    chosen = rng.choices(list(contents), weights=(2, 1, 2, 1, 1, 2, 2, 2, 1, 8), k=rng.randint(0, 3))
    return {fault: contents[fault] for fault in chosen}


def _error(rng: random.Random) -> str:
    what = rng.choice(ERRORS) if rng.random() < 0.8 else rng.choice(DELAYS)
    skip, count = rng.choice((0, 0, 1, 5)), rng.choice((1, 2, 10, 1000))
    return f"{rng.choice(CALLS)} * {what} {skip} {count}\n"


def _odd_jpeg(rng: random.Random) -> bytes:
    picture = grey(rng.randrange(250), rng.choice(((64, 48), (64, 48), (128, 96))))
    cut = rng.randrange(2, len(picture))
    return rng.choice(
        (
            picture,
            picture + b"\xff",
            picture + b"some text",
            picture + picture[cut:],
            picture + bytes(100_000),
            picture + picture,
            b"\0" + picture,
            picture[:-2],
            picture[:cut],
            picture[:2] + b"xx" + picture[2:],
            b"",
            rng.randbytes(1000),
        )
    )
