"""Import linuxpy, and have its calls made again that a signal interrupts."""

from typing import Any

from pi_mjpeg_server.sources.interrupted import repeated


def load_linuxpy() -> Any:  # noqa: ANN401  (linuxpy has no types)
    """Return `linuxpy.video.device`. Raises `ImportError`."""
    from linuxpy.video import device

    if not hasattr(device.ioctl, "__wrapped__"):
        # All calls of linuxpy are made by this one function: made again in any other place, a sequence of calls would
        # begin anew.
        device.ioctl = repeated(device.ioctl)
    return device
