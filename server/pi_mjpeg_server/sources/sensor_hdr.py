"""Switches the HDR of an image sensor, which the camera module 3 (imx708) has, before libcamera opens the camera.

libcamera has no control for it: it is one of the sensor's V4L2 sub-device, V4L2_CID_WIDE_DYNAMIC_RANGE.
"""

import fcntl
import struct
from pathlib import Path

SUB_DEVICES = Path("/sys/class/video4linux")
DEVICES = Path("/dev")

_CONTROL = 0x009A0915
_GET, _SET = 0xC008561B, 0xC008561C
"""VIDIOC_G_CTRL and VIDIOC_S_CTRL of <linux/videodev2.h>."""
_STRUCT = struct.Struct("=Ii")


class SensorHdrError(Exception):
    """The HDR cannot be switched; the text says why."""


def switch_hdr(camera_id: str, *, on: bool) -> bool:
    """Switch the HDR of a camera's sensor. Return whether it was switched otherwise before.

    `camera_id` is libcamera's Id. Raises `SensorHdrError`.
    """
    device = _sub_device(camera_id)
    try:
        with device.open("rb+", buffering=0) as opened:
            if _ask(opened.fileno(), _GET) == on:
                return False
            _ask(opened.fileno(), _SET, on)
            if _ask(opened.fileno(), _GET) != on:
                raise SensorHdrError("its sensor does not take the HDR")
    except OSError as error:
        raise SensorHdrError(f"the HDR of its sensor cannot be switched ({error.strerror or error})") from error
    return True


def _ask(descriptor: int, request: int, value: int = 0) -> int:
    """Get or set the control, and return its value."""
    answer = fcntl.ioctl(descriptor, request, _STRUCT.pack(_CONTROL, value))
    return int(_STRUCT.unpack(answer)[1])


def _sub_device(camera_id: str) -> Path:
    """Return the device file of the sensor, whose place in the device tree is the end of the camera's Id."""
    for folder in sorted(SUB_DEVICES.glob("v4l-subdev*")):
        node = folder / "device" / "of_node"
        if node.is_symlink() and str(node.readlink()).endswith(camera_id):
            return DEVICES / folder.name
    raise SensorHdrError("it has no sensor whose HDR can be switched")
