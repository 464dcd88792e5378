"""Recordings by Home Assistant."""

import asyncio
import subprocess

from tooling.hass_client import until
from tooling.programs import program
from tooling.stack import Stack

_SECONDS = 4


async def record_frames(stack: Stack, name: str) -> int:
    """Let Home Assistant record the camera for four seconds. Return the number of frames that ffmpeg decodes."""
    path = stack.home_assistant.configuration / "www" / name
    data = {"entity_id": stack.camera, "filename": str(path), "duration": _SECONDS}
    await stack.client.post("/api/services/camera/record", data)

    async def written() -> bool:
        return path.exists() and path.stat().st_size > 0

    await until(written, "the recording is written")
    arguments = ["-hide_banner", "-loglevel", "error", "-i", str(path), "-f", "framemd5", "-"]
    done = await asyncio.to_thread(
        lambda: subprocess.run([program("ffmpeg"), *arguments], capture_output=True, text=True, check=True, timeout=60)
    )
    return len([line for line in done.stdout.splitlines() if not line.startswith("#")])
