"""Focuses a camera once, on request."""

import asyncio
import time
from collections.abc import Mapping

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraUnavailableError, NotFocusedError
from pi_mjpeg_server.sources import Adjustable, Focusable, Source, SourceError
from pi_mjpeg_server.sources.controls import Control, ControlError

FOCUS_TIMEOUT = 15.0
"""Seconds after which a run counts as failed; a source ends each by itself before that."""


async def focus(camera: Camera) -> None:
    """Focus `camera`, which captures meanwhile, and return when its picture is sharp.

    Raises `ControlError` if it has no lens that can be focused, `NotFocusedError` if no focus is found,
    `CameraUnavailableError` when there is no picture, and `CameraOffError` when the camera is switched off.
    """
    name = camera.settings.name
    with camera.demand.watching(camera.settings.requested.fps):
        # libcamera takes no trigger before it captures, and its exposure has to settle first.
        await camera.still(time.monotonic())
        before = camera.controls
        try:
            async with asyncio.timeout(FOCUS_TIMEOUT):
                await camera.supervisor.run(_start)
                while (focused := await camera.supervisor.run(_result)) is None:
                    await camera.broadcast.change()
            controls = await camera.supervisor.run(_controls)
        except ControlError as error:
            raise ControlError(f"{name} cannot be focused: {error}") from error
        except TimeoutError:
            focused = False
        except (SourceError, OSError, RuntimeError) as error:
            camera.raise_if_off()
            raise CameraUnavailableError(f"the camera failed meanwhile: {error}") from error
    if not focused:
        # Where it is shown, the name stands before it.
        raise NotFocusedError("no sharp position was found, perhaps for lack of light or detail")
    # With manual focus, the lens is somewhere else now.
    moved = {each: control.value for each, control in controls.items() if each in before and control != before[each]}
    camera.controls_changed(controls, moved)


def _start(source: Source) -> None:
    if not isinstance(source, Focusable):
        raise ControlError("it has no lens that can be focused")
    source.start_focus()


def _result(source: Source) -> bool | None:
    return source.focus_result() if isinstance(source, Focusable) else False


def _controls(source: Source) -> Mapping[str, Control]:
    return source.controls() if isinstance(source, Adjustable) else {}
