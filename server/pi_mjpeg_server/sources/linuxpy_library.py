"""Import linuxpy, and have its calls made again that a signal interrupts."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_INTERRUPTIONS = 100


def load_linuxpy() -> Any:  # noqa: ANN401  (linuxpy has no types)
    """Return `linuxpy.video.device`. Raises `ImportError`."""
    from linuxpy.video import device

    if not hasattr(device.ioctl, "__wrapped__"):
        # Python repeats most system calls after EINTR (PEP 475), but not ioctl. All calls of linuxpy are made by this
        # one function: made again in any other place, a sequence of calls would begin anew.
        device.ioctl = _repeated(device.ioctl)
    return device


def _repeated(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def ioctl(*arguments: Any) -> Any:  # noqa: ANN401
        for _ in range(_MAX_INTERRUPTIONS):
            try:
                return call(*arguments)
            except InterruptedError:
                continue
        return call(*arguments)

    return ioctl
