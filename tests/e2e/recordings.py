"""Films: recordings by Home Assistant, and what ffmpeg finds in them."""

import asyncio
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tooling.hass_client import until
from tooling.programs import program
from tooling.stack import Stack

_SECONDS = 4
_SHOWINFO_TIME = re.compile(r"pts_time:([0-9.]+)")
_CODEC = re.compile(r"Video: (\w+)")


@dataclass(frozen=True)
class Film:
    """A film as ffmpeg decodes it: its codec, its number of frames, and the seconds from the first to the last."""

    codec: str
    frames: int
    seconds: float


async def record(stack: Stack, name: str, seconds: int = _SECONDS, camera: str | None = None) -> Film:
    """Let Home Assistant record a camera, by default that of the stack, for so many seconds."""
    path = stack.home_assistant.configuration / "www" / name
    data = {"entity_id": camera or stack.camera, "filename": str(path), "duration": seconds}
    began = time.monotonic()
    await stack.client.post("/api/services/camera/record", data)

    async def written() -> bool:
        return path.exists() and path.stat().st_size > 0

    await until(written, f"the recording is written, {time.monotonic() - began:.0f} s after it began")
    return await decoded(path)


async def decoded(path: Path) -> Film:
    """Decode a film. Fails if ffmpeg does."""
    arguments = ["-hide_banner", "-i", str(path), "-vf", "showinfo", "-f", "null", "-"]
    done = await asyncio.to_thread(
        lambda: subprocess.run([program("ffmpeg"), *arguments], capture_output=True, text=True, check=True, timeout=60)
    )
    times = [float(found) for found in _SHOWINFO_TIME.findall(done.stderr)]
    codec = _CODEC.search(done.stderr)
    assert codec is not None
    return Film(codec[1], len(times), times[-1] - times[0])
