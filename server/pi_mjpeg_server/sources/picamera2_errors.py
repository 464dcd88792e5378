"""What the errors of Picamera2 and libcamera mean to the owner of the camera."""

import errno
import os

from pi_mjpeg_server.sources import SourceError

MEMORY_REMEDY = (
    "reserve more with `dtoverlay=vc4-kms-v3d,cma-256` in /boot/firmware/config.txt and a reboot "
    "(`grep Cma /proc/meminfo` shows how much there is)"
)
_NO_MEMORY = (os.strerror(errno.ENOMEM).lower(), "failed to allocate")
"""The first is said by libcamera and the kernel, the second by Picamera2's allocators, in small or capital letters."""


class MemoryShortageError(SourceError):
    """The kernel has too little contiguous memory for the pictures."""


def is_memory_shortage(error: Exception) -> bool:
    """Return whether an error means that the kernel has no memory for pictures."""
    return getattr(error, "errno", None) == errno.ENOMEM or any(words in str(error).lower() for words in _NO_MEMORY)


def explained_memory(error: Exception, size: tuple[int, int], instead: str = "request a smaller size") -> Exception:
    """Return the error that the kernel has no memory for pictures in words, and any other error as it is.

    `instead` is what helps without more memory.
    """
    if not is_memory_shortage(error):
        return error
    width, height = size
    return MemoryShortageError(
        f"the kernel does not have enough contiguous memory (CMA) for {width}x{height}: {instead}, or {MEMORY_REMEDY}"
    )
