"""The attached cameras, and the version of libcamera with which they were listed."""

import sys
from typing import Any

from pi_mjpeg_server.selftest.report import Finding, Outcome
from pi_mjpeg_server.selftest.target import Found
from pi_mjpeg_server.sources import kinds

_ATTACHED = ("picamera2", "v4l2")
"""The kinds of cameras that can be attached to a machine, in the order in which `auto` looks for them."""


def attached() -> tuple[Finding, list[Found]]:
    """Return the cameras that are attached. The finding has failed when there are none, and says why."""
    found, lines = [], []
    installed = kinds()
    for name in (name for name in _ATTACHED if name in installed):
        try:
            devices = installed[name]().devices()
        except Exception as error:  # noqa: BLE001  (a library of one kind must not keep the others from being found)
            lines.append(f"{name}: none ({error})")
            continue
        found += [Found(name, device.device, device.model) for device in devices]
        models = ", ".join(f"{device.model}{f' ({device.detail})' if device.detail else ''}" for device in devices)
        lines.append(f"{name}: {models or 'none attached'}")
    if (libcamera := _libcamera_version()) is not None:
        lines.append(f"libcamera {libcamera}")
    return Finding(Outcome.PASSED if found else Outcome.FAILED, "; ".join(lines)), found


def _libcamera_version() -> str | None:
    """Return the version, if it is imported. Picamera2 has started its camera manager then."""
    library: Any = sys.modules.get("libcamera")
    try:
        return None if library is None else str(library.CameraManager.singleton().version)
    except Exception:  # noqa: BLE001  (a version is not worth more)
        return None
