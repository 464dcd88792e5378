"""What a report says of a CSI camera, read from Picamera2 without changing anything.

Statements about Picamera2 refer to the source of version 0.3.38.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pi_mjpeg_server.sources.picamera2_library import Library


def picamera2_details(library: Library, camera: Any) -> Mapping[str, str]:  # noqa: ANN401  (a Picamera2)
    """Return facts about an open camera by name; what cannot be read says so and costs only itself."""
    facts: dict[str, Callable[[], str]] = {
        "encoder": lambda: ", ".join(_encoder(library, each) for each in camera.encoders) or "none runs",
        "sensor mode": lambda: _sensor(camera.camera_configuration()["sensor"]),
        # Not `sensor_modes`, which configures the camera anew to read them. This is what was read already.
        "sensor modes": lambda: "; ".join(map(_mode, camera.sensor_modes_ or ())) or "not read",
        "pictures in memory": lambda: str(camera.camera_configuration()["buffer_count"]),
        "controls": lambda: ", ".join(sorted(camera.camera_controls)),
    }
    found = {}
    for name, read in facts.items():
        try:
            found[name] = read()
        except Exception as error:  # noqa: BLE001  (whatever Picamera2 raises, the rest is told)
            found[name] = f"cannot be read ({type(error).__name__})"
    return found


def _encoder(library: Library, encoder: Any) -> str:  # noqa: ANN401  (one of Picamera2's)
    return f"{type(encoder).__name__}, in {'hardware' if isinstance(encoder, library.MJPEGEncoder) else 'software'}"


def _sensor(sensor: Mapping[str, Any] | None) -> str:
    if not sensor or not sensor.get("output_size"):
        return "not told"
    width, height = sensor["output_size"]
    return f"{width}x{height} with {sensor.get('bit_depth')} bits"


def _mode(mode: Mapping[str, Any]) -> str:
    """Return one mode. A camera that is no raw sensor has only formats."""
    if "size" not in mode:
        return f"{mode['format']}"
    width, height = mode["size"]
    left, top, crop_width, crop_height = mode["crop_limits"]
    view = f"{crop_width}x{crop_height} from {left},{top}"
    return f"{width}x{height} at {mode['fps']:g} fps with {mode['bit_depth']} bits, view {view}"
