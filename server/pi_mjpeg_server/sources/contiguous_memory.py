"""What is tried when the kernel has too little contiguous memory (CMA) for the pictures of a CSI camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pi_mjpeg_server.sources.picamera2_errors import MEMORY_REMEDY, explained_memory, is_memory_shortage

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER_COUNT = 4
_FEWER_BUFFERS = (3, 2)
_SMALLER = (0.75, 0.5, 0.25)
_MIN_SIDE = 64

_failed_starts: dict[str, int] = {}
"""With how many of its footprints a camera could not be started, until it is opened the next time."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the pictures of a camera need: `size` is their width and height, `buffer_count` how many are in memory."""

    size: tuple[int, int]
    buffer_count: int = BUFFER_COUNT

    def note(self, requested: tuple[int, int]) -> str | None:
        """Return a phrase that says how this is less than what was requested, or None."""
        if self.size != requested:
            less = "{}x{} instead of {}x{}".format(*self.size, *requested)
        elif self.buffer_count < BUFFER_COUNT:
            less = f"{self.buffer_count} buffers instead of {BUFFER_COUNT}, so pictures may be dropped"
        else:
            return None
        return f"the kernel has too little contiguous memory (CMA): {less}; {MEMORY_REMEDY}"


def footprints(size: tuple[int, int]) -> list[Footprint]:
    """Return what to try, one after the other: fewer buffers first, then smaller pictures of the same shape."""
    tried = [Footprint(size, count) for count in (BUFFER_COUNT, *_FEWER_BUFFERS)]
    smaller = [(round(size[0] * factor / 2) * 2, round(size[1] * factor / 2) * 2) for factor in _SMALLER]
    return tried + [Footprint(each, _FEWER_BUFFERS[-1]) for each in smaller if min(each) >= _MIN_SIDE]


def configure_what_fits(camera_id: str, size: tuple[int, int], configure: Callable[[Footprint], None]) -> Footprint:
    """Call `configure` with less and less until there is enough memory. Return what it was called with last.

    Raises `MemoryShortageError`, with the size and the remedy, if there is not enough even for the least, and what
    `configure` raises for any other reason.
    """
    plan = footprints(size)
    for footprint in plan[_failed_starts.pop(camera_id, 0) :]:
        try:
            configure(footprint)
        except (OSError, RuntimeError) as error:
            if not is_memory_shortage(error) or footprint == plan[-1]:
                raise explained_memory(error, size) from error
        else:
            break
    return footprint


def start_failed(camera_id: str, size: tuple[int, int], used: Footprint) -> None:
    """Note that there was too little memory to start a camera: when it is opened the next time, it takes less."""
    plan = footprints(size)
    _failed_starts[camera_id] = (plan.index(used) + 1) % len(plan)
