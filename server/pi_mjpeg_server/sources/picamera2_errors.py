"""What the errors of Picamera2 and libcamera mean to the owner of the camera."""

import errno
import os

from pi_mjpeg_server.sources import SourceError


def explained_memory(error: Exception, size: tuple[int, int], instead: str = "request a smaller size") -> Exception:
    """Return the error that the kernel has no memory for pictures in words, and any other error as it is.

    `instead` is what helps without more memory.
    """
    if getattr(error, "errno", None) != errno.ENOMEM and os.strerror(errno.ENOMEM) not in str(error):
        return error
    width, height = size
    return SourceError(
        f"the kernel has not enough contiguous memory (CMA) for {width}x{height}: {instead}, or "
        "reserve more with `dtoverlay=vc4-kms-v3d,cma-256` in /boot/firmware/config.txt and a reboot "
        "(`grep Cma /proc/meminfo` shows how much there is)"
    )
