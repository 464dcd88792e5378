"""Calls that are made again when a signal interrupts them: Python repeats most system calls (PEP 475), not ioctl."""

import fcntl
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MAX_INTERRUPTIONS = 100


def repeated(call: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return a function that calls `call` again after EINTR, a hundred times at most."""

    @wraps(call)
    def calling(*arguments: _P.args, **named: _P.kwargs) -> _T:
        for _ in range(_MAX_INTERRUPTIONS):
            try:
                return call(*arguments, **named)
            except InterruptedError:
                continue
        return call(*arguments, **named)

    return calling


ioctl = repeated(fcntl.ioctl)
"""`fcntl.ioctl`, made again after EINTR."""
