"""Finds and opens a CSI camera, with what has to be set before that: the HDR of its sensor, and a tuning file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources import DeviceBusyError, SourceError
from pi_mjpeg_server.sources.sensor_hdr import SensorHdrError, switch_hdr
from pi_mjpeg_server.sources.tuning import TuningError, load_tuning, tuned

if TYPE_CHECKING:
    from pi_mjpeg_server.sources import SourceSettings
    from pi_mjpeg_server.sources.picamera2_library import Library


def csi_cameras(library: Library) -> list[tuple[int, dict[str, Any]]]:
    """Return number and description of each CSI camera; the Id of a USB camera contains its bus."""
    try:
        infos = enumerate(library.Picamera2.global_camera_info())
    except Exception as error:
        raise SourceError(f"libcamera cannot list the cameras: {type(error).__name__}: {error}") from error
    return [(number, info) for number, info in infos if "usb" not in str(info["Id"]).lower()]


def open_camera(library: Library, camera_id: str, settings: SourceSettings) -> tuple[Any, list[str]]:
    """Return a new Picamera2 for the camera with this Id, and a note for each setting that could not be used."""
    _check_memory(library)
    notes = []
    if settings.sensor_hdr is not None:
        try:
            if switch_hdr(camera_id, on=settings.sensor_hdr):
                # libcamera knows the sensor's modes from before.
                library.Picamera2._cm.reset()  # noqa: SLF001  (as Picamera2 itself does then)
        except SensorHdrError as error:
            notes.append(f"sensor_hdr: {error}")
    if settings.tuning_file is not None:
        try:
            return _open_tuned(library, camera_id, settings.tuning_file), notes
        except TuningError as error:
            notes.append(f"tuning_file: {error}")
    try:
        return library.Picamera2(camera_num=_number(library, camera_id)), notes
    except RuntimeError as error:
        raise _explained(error) from error


def _open_tuned(library: Library, camera_id: str, tuning_file: str) -> Any:  # noqa: ANN401  (a Picamera2)
    """Return a Picamera2 with this tuning. Raises `TuningError`."""
    content = load_tuning(library, tuning_file)
    try:
        with tuned(library, content) as path:
            return library.Picamera2(camera_num=_number(library, camera_id), tuning=path)
    except (RuntimeError, SourceError) as error:
        # Without the file, libcamera has to look for the cameras anew.
        library.Picamera2._cm.reset()  # noqa: SLF001  (likewise)
        raise TuningError(f"libcamera does not open the camera with {tuning_file!r}: {error}") from error


def _check_memory(library: Library) -> None:
    """Raise `SourceError` if no memory for pictures can be asked for.

    Picamera2 notices it only when it has acquired the camera, and keeps it then until the process ends.
    """
    try:
        library.DmaHeap().close()
    except PermissionError as error:
        raise SourceError(
            f"this user may not use {error.filename}, the memory for pictures: `sudo usermod -aG video $USER`, and "
            'where that group may not either, a udev rule: SUBSYSTEM=="dma_heap", GROUP="video", MODE="0660"'
        ) from error
    except (OSError, RuntimeError) as error:
        raise SourceError(f"the memory for pictures cannot be used: {error}") from error


def _number(library: Library, camera_id: str) -> int:
    """Return the number by which Picamera2 knows a camera, as libcamera lists them now."""
    for number, info in csi_cameras(library):
        if str(info["Id"]) == camera_id:
            return number
    raise SourceError("libcamera does not find the camera any more")


def _explained(error: RuntimeError) -> SourceError:
    if error.__cause__ is not None and "busy" in str(error.__cause__).lower():
        return DeviceBusyError("another program has the camera open: stop it (`fuser /dev/media*` names it)")
    reason: BaseException = error
    while reason.__cause__ is not None:
        # Picamera2 says only that it did not complete.
        reason = reason.__cause__
    return SourceError(f"libcamera cannot open the camera: {reason}")
