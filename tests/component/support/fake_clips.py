"""Clips that the Pi of the tests keeps: real pictures with a bar that moves."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image, ImageDraw

BASE = "http://192.168.1.20:8000"
FPS = 10
FIRST = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class KeptClip:
    """A clip: its document without the schema number, and its file."""

    document: dict[str, Any]
    body: bytes

    @property
    def camera(self) -> str:
        """The id of its camera."""
        return str(self.document["id"]).rsplit("-", 2)[0]


def make_clip(number: int, before: float = 1, after: float = 1, camera: str = "front", rotation: int = 1) -> KeptClip:
    """Return clip `number`, each two hours after the one before; `rotation` is the EXIF orientation of its pictures."""
    asked = FIRST + timedelta(hours=2 * number)
    count = round((before + after) * FPS) + 1
    began = asked.timestamp() - before
    pictures = [_picture(n, rotation) for n in range(count)]
    body = b"--frame\r\n" + b"".join(
        b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %.6f\r\n\r\n%b\r\n--frame\r\n"
        % (len(picture), began + n / FPS, picture)
        for n, picture in enumerate(pictures)
    )
    identity = f"{camera}-{asked:%Y%m%dT%H%M%S}000Z-{number:08x}"
    urls = {"url": "mjpeg", "download_url": "bin", "thumbnail_url": "jpg"}
    document = {
        "id": identity,
        **{name: f"{BASE}/clips/{identity}.{kind}?sig=sig-{kind}" for name, kind in urls.items()},
        "time": f"{asked:%Y-%m-%dT%H:%M:%S}.000Z",
        "duration": before + after,
        "before": before,
        "after": after,
        "frames": count,
        "bytes": len(body),
        "width": 160,
        "height": 90,
        "trigger": "http",
    }
    return KeptClip(document, body)


def _picture(number: int, rotation: int) -> bytes:
    image = Image.new("RGB", (160, 90), "white")
    ImageDraw.Draw(image).rectangle((number % 100, 20, number % 100 + 20, 60), "black")
    exif = Image.Exif()
    exif[0x0112] = rotation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()
