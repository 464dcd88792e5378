"""The commands that list or open cameras: `cameras`, `check`, `snapshot`."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraOffError, CameraUnavailableError
from pi_mjpeg_server.cli.configured import configuration_of, file_mistakes
from pi_mjpeg_server.cli.outcome import EXIT_FAILED, EXIT_USAGE
from pi_mjpeg_server.config import ConfigurationError


def cameras(_: argparse.Namespace) -> int:
    """Print the attached cameras by kind."""
    from pi_mjpeg_server.sources import SourceError, kinds

    for name, load_kind in kinds().items():
        try:
            devices = load_kind().devices()
        except SourceError as error:
            print(f"{name}: none ({error})")
            continue
        except Exception as error:  # noqa: BLE001  (a driver's bug costs only its own kind)
            print(f"{name}: none (its list cannot be read: {type(error).__name__}: {error})")
            continue
        if not devices:
            print(f"{name}: none attached")
        for device in devices:
            detail = f" ({device.detail})" if device.detail else ""
            print(f"{name}: {device.model}{detail}\n    source = {name!r}, device = {device.device!r}")
    return 0


def check(parsed: argparse.Namespace) -> int:
    """Check the configuration, and take one picture with each camera."""
    from pi_mjpeg_server.make_server import make_cameras
    from pi_mjpeg_server.sources.webcam_extra import missing_webcam_extra

    configuration = configuration_of(parsed)
    if mistakes := file_mistakes(configuration):
        raise ConfigurationError(*mistakes)
    print("The configuration is right.")
    code = asyncio.run(_with_cameras(make_cameras(configuration), _picture_of_each))
    if advice := missing_webcam_extra({camera.source for camera in configuration.cameras}):
        print(advice)
    return code


def snapshot(parsed: argparse.Namespace) -> int:
    """Take one picture and write it to a file."""
    from pi_mjpeg_server.make_server import make_cameras

    cameras = make_cameras(configuration_of(parsed))
    requested = parsed.camera or cameras[0].settings.id
    chosen = [camera for camera in cameras if camera.settings.id == requested]
    if not chosen:
        known = ", ".join(camera.settings.id for camera in cameras)
        print(f"pi-mjpeg: there is no camera {requested!r}; there is: {known}", file=sys.stderr)
        return EXIT_USAGE

    async def write(cameras: Sequence[Camera]) -> int:
        frame = await cameras[0].still(time.monotonic())
        if parsed.file == Path("-"):
            await asyncio.to_thread(sys.stdout.buffer.write, frame.jpeg)
        else:
            await asyncio.to_thread(parsed.file.write_bytes, frame.jpeg)
        return 0

    return asyncio.run(_with_cameras(chosen, write))


async def _picture_of_each(cameras: Sequence[Camera]) -> int:
    code = 0
    for camera in cameras:
        try:
            frame = await camera.still(time.monotonic())
        except CameraOffError as error:
            print(f"{error}; no picture is taken")
            continue
        except CameraUnavailableError as error:
            print(f"{camera.settings.name}: no picture: {error}")
            code = EXIT_FAILED
            continue
        info = camera.source_info
        size = f"{info.size[0]}x{info.size[1]}" if info.size else "a picture"
        print(f"{camera.settings.name}: {size} from {info.model or camera.settings.source}, {len(frame.jpeg)} bytes")
    return code


async def _with_cameras(cameras: Sequence[Camera], do: Callable[[Sequence[Camera]], Coroutine[None, None, int]]) -> int:
    for camera in cameras:
        camera.start()
    try:
        return await do(cameras)
    finally:
        await asyncio.gather(*(camera.stop() for camera in cameras))
