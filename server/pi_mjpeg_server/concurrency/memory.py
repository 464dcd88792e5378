"""The memory that glibc's malloc keeps although nothing uses it. With another C library, nothing is changed."""

import contextlib
from functools import cache
from typing import Any

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 1


def limit_arenas() -> None:
    """Use one arena for all threads (mallopt(3)). The others save no time, as Python's own lock lets one thread run."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        _library().mallopt(_M_ARENA_MAX, _ARENAS)


def return_free_memory() -> None:
    """Return to the system what is free (malloc_trim(3)), in a few milliseconds, without holding up other threads."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        _library().malloc_trim(0)


@cache
def _library() -> Any:  # noqa: ANN401  (it has whatever functions the C library has)
    """Return the C library. Made once: each takes 60 objects that only the garbage collector frees."""
    import ctypes  # noqa: PLC0415  (some builds of Python have none)

    return ctypes.CDLL(None)
