"""The real Picamera2 package on a machine without a camera.

libcamera, kms++, prctl and PiDNG have to be compiled for the machine, so mocks replace their modules.
"""

import sys
from unittest.mock import MagicMock

MISSING = ("libcamera", "libcamera.controls", "pykms", "prctl", "pidng", "pidng.camdefs", "pidng.core")


def install() -> None:
    """Put the mocks where Picamera2 imports them."""
    sys.modules.update({name: MagicMock(name=name) for name in MISSING})
    setattr(sys.modules["libcamera"], "controls", sys.modules["libcamera.controls"])  # noqa: B010  (a module has none)
