"""Whether Home Assistant can record a camera."""

import asyncio
import subprocess

from workbench.hass_client import until
from workbench.house import House
from workbench.programs import program

_SECONDS = 4


async def filmed(house: House, name: str) -> int:
    """Have Home Assistant record the camera for four seconds; return how many pictures ffmpeg finds in the film."""
    path = house.home_assistant.configuration / "www" / name
    data = {"entity_id": house.camera, "filename": str(path), "duration": _SECONDS}
    await house.client.post("/api/services/camera/record", data)

    async def written() -> bool:
        return path.exists() and path.stat().st_size > 0

    await until(written, "the film is written")
    given = ["-hide_banner", "-loglevel", "error", "-i", str(path), "-f", "framemd5", "-"]
    done = await asyncio.to_thread(
        lambda: subprocess.run([program("ffmpeg"), *given], capture_output=True, text=True, check=True, timeout=60)
    )
    return len([line for line in done.stdout.splitlines() if not line.startswith("#")])
