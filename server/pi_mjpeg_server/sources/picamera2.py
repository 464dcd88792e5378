"""CSI cameras through Picamera2: the Pi's own pipeline, encoded by its hardware where there is one.

Facts about Picamera2 are those of version 0.3.38, read in its source. It is imported only when a camera is opened or
listed, because it brings numpy, libcamera and seconds of start-up with it.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pi_mjpeg_server import jpeg
from pi_mjpeg_server.frame import Picture
from pi_mjpeg_server.sources import Device, Mode, SourceError, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_HARDWARE_ENCODER = Path("/dev/video11")
_HARDWARE_WIDTH = 1920
_LONGEST_EXPOSURE_US = 200_000
_BUFFERS = 4
_HEARTBEAT = 0.5
_OLDEST_BELIEVED = 5.0
_EXIF_ORIENTATION = {90: 6, 270: 8}

_ADVICE = {
    "picamera2": "install it with: sudo apt install python3-picamera2 --no-install-recommends",
    "libcamera": "install it with: sudo apt install python3-libcamera; a venv needs --system-site-packages to see it",
    "pykms": "install it with: sudo apt install python3-kms++",
    "kms": "install it with: sudo apt install python3-kms++",
}


class Picamera2Source:
    """One CSI camera. `device` is its libcamera Id, its model, or its number; without one, the first."""

    def __init__(self, settings: SourceSettings) -> None:
        """Make a source; Picamera2 is not touched yet."""
        self._settings = settings
        self._camera: Any = None

    @staticmethod
    def devices() -> list[Device]:
        """List what libcamera sees, USB webcams left out: those belong to the source v4l2."""
        return [
            Device(str(info["Id"]), str(info.get("Model", "camera")), f"number {number}")
            for number, info in _csi_cameras(_library())
        ]

    def open(self) -> Mode:
        """Open and configure the camera; it does not capture yet."""
        library = _library()
        number, info = self._choose(_csi_cameras(library))
        try:
            self._camera = library.Picamera2(camera_num=number)
        except RuntimeError as error:
            raise SourceError(_explained(error)) from error
        self._camera.configure(self._configuration(library))
        size = self._camera.camera_configuration()["main"]["size"]
        return Mode(model=str(info.get("Model", "")) or None, size=tuple(size), fps=self._settings.fps)

    def frames(self) -> Iterator[Picture | None]:
        """Record into memory, the latest picture only, until closed."""
        library = _library()
        encoder = self._encoder(library)
        output = _make_output(library, encoder, _EXIF_ORIENTATION.get(self._settings.rotation))
        # Picamera2 forgets its controls once a start has sent them, and libcamera may forget them at a stop.
        self._camera.set_controls(self._controls())
        self._camera.start_recording(encoder, output)
        try:
            while True:
                yield output.take(_HEARTBEAT)
        finally:
            self._camera.stop_recording()

    def close(self) -> None:
        """Give the camera back to libcamera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _choose(self, cameras: list[tuple[int, dict[str, Any]]]) -> tuple[int, dict[str, Any]]:
        wanted = self._settings.device
        for number, info in cameras:
            if wanted is None or wanted in {str(number), str(info["Id"]), str(info.get("Model"))}:
                return number, info
        if wanted is None:
            raise SourceError("no CSI camera is attached: check the ribbon at both ends, then see `pi-mjpeg cameras`")
        there = ", ".join(str(info["Id"]) for _, info in cameras) or "none"
        raise SourceError(f"there is no CSI camera {wanted!r}; attached: {there}")

    def _configuration(self, library: _Library) -> dict[str, Any]:
        settings = self._settings
        half_turn = settings.rotation == 180  # noqa: PLR2004  (degrees)
        configuration: dict[str, Any] = self._camera.create_video_configuration(
            # Both encoders take YUV420 as it is; the default, XBGR8888, costs a conversion of every picture.
            main={"size": settings.size, "format": "YUV420"},
            # JFIF is full range; the default for video is not, and comes out pale.
            colour_space=library.ColorSpace.Sycc(),
            transform=library.Transform(hflip=settings.hflip != half_turn, vflip=settings.vflip != half_turn),
            buffer_count=_BUFFERS,
        )
        return configuration

    def _controls(self) -> dict[str, object]:
        shortest = int(1_000_000 / self._settings.fps)
        # A range and not one value: in the dark the exposure may take longer than a picture at the full rate.
        return {
            "FrameDurationLimits": (shortest, max(shortest, _LONGEST_EXPOSURE_US)),
            **self._settings.controls,
        }

    def _encoder(self, library: _Library) -> Any:  # noqa: ANN401  (a Picamera2 encoder; the library has no types)
        hardware = library.platform_is_vc4 and _HARDWARE_ENCODER.exists()
        if hardware and self._camera.camera_configuration()["main"]["size"][0] <= _HARDWARE_WIDTH:
            return library.MJPEGEncoder(bitrate=self._bitrate())
        return library.JpegEncoder(num_threads=min(4, os.cpu_count() or 1), q=self._settings.quality)

    def _bitrate(self) -> int:
        """Bits a second for the hardware encoder, which knows no quality: about 2 bits a pixel at quality 80."""
        width, height = self._settings.size
        return int(width * height * self._settings.fps * 2 * self._settings.quality / 80)


class _Library(NamedTuple):
    """The names used of Picamera2 and libcamera, imported together so that one place explains a failure."""

    Picamera2: Any
    JpegEncoder: Any
    MJPEGEncoder: Any
    Output: Any
    ColorSpace: Any
    Transform: Any
    platform_is_vc4: bool


def _library() -> _Library:
    try:
        from libcamera import ColorSpace, Transform
        from picamera2 import Picamera2
        from picamera2.encoders import JpegEncoder, MJPEGEncoder
        from picamera2.outputs import Output
        from picamera2.platform import Platform, get_platform
    except ModuleNotFoundError as error:
        advice = _ADVICE.get(error.name or "", "install python3-picamera2 with apt rather than with pip")
        raise SourceError(f"the Python module {error.name!r} is missing: {advice}") from error
    except ImportError as error:
        raise SourceError(
            f"picamera2 and libcamera do not fit together ({error}): remove the picamera2 that pip installed, use apt's"
        ) from error
    except ValueError as error:
        raise SourceError(
            f"numpy does not fit to apt's modules ({error}): remove numpy from the virtual environment"
        ) from error
    vc4 = get_platform() == Platform.VC4
    return _Library(Picamera2, JpegEncoder, MJPEGEncoder, Output, ColorSpace, Transform, vc4)


def _csi_cameras(library: _Library) -> list[tuple[int, dict[str, Any]]]:
    """Return number and description of each camera; a USB camera's Id contains its bus."""
    infos = enumerate(library.Picamera2.global_camera_info())
    return [(number, info) for number, info in infos if "usb" not in str(info["Id"]).lower()]


def _explained(error: RuntimeError) -> str:
    if error.__cause__ is not None and "busy" in str(error.__cause__).lower():
        return "another program has the camera open: stop it (`fuser /dev/media*` names it)"
    return f"libcamera cannot open the camera: {error}"


def _make_output(library: _Library, encoder: Any, orientation: int | None) -> Any:  # noqa: ANN401
    """Return a Picamera2 `Output` that keeps the latest picture, with `take(timeout)` to wait for it."""

    class LatestPicture(library.Output):  # type: ignore[misc,name-defined]  # its base is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self._arrived = threading.Condition()
            self._picture: Picture | None = None

        def outputframe(
            self,
            frame: bytes,
            keyframe: bool = True,  # noqa: ARG002, FBT001, FBT002  (Picamera2's signature)
            timestamp: int | None = None,
            packet: object = None,  # noqa: ARG002
            audio: bool = False,  # noqa: ARG002, FBT001, FBT002
        ) -> None:
            """Keep a picture. It runs in the encoder's thread, which ends for good if this raises."""
            data = bytes(frame) if orientation is None else jpeg.with_orientation(frame, orientation)
            picture = Picture(data, _taken(encoder.firsttimestamp, timestamp))
            with self._arrived:
                self._picture = picture
                self._arrived.notify()

        def take(self, timeout: float) -> Picture | None:
            with self._arrived:
                self._arrived.wait_for(lambda: self._picture is not None, timeout)
                picture, self._picture = self._picture, None
            return picture

    return LatestPicture()


def _taken(first_us: int | None, since_first_us: int | None) -> float:
    """Turn the sensor's timestamp (microseconds of the boot clock) into one of the monotonic clock."""
    now = time.monotonic()
    if first_us is None or since_first_us is None:
        return now
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (first_us + since_first_us) / 1_000_000
    return now - age if 0 <= age < _OLDEST_BELIEVED else now
