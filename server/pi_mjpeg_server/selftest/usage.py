"""What this process uses: descriptors, threads, memory and processor time."""

import gc
import threading
from dataclasses import dataclass
from pathlib import Path

from pi_mjpeg_server.concurrency.memory import return_free_memory

_MAX_GROWTH = 4.0
"""MB that a process may have more after some starts and stops."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of open descriptors and of threads, and the resident memory in MB."""

    descriptors: int
    threads: int
    memory: float

    @classmethod
    def now(cls) -> "Usage":
        """Return the usage after what nobody holds any more is freed."""
        gc.collect()
        return_free_memory()
        process = Path("/proc/self")
        status = (process / "status").read_text().splitlines()
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return cls(len(list((process / "fd").iterdir())), len(list((process / "task").iterdir())), resident / 1e3)

    def grew_since(self, before: "Usage") -> list[str]:
        """Return what is more than it was before."""
        grown = []
        if self.descriptors > before.descriptors:
            grown.append("descriptors")
        if self.threads > before.threads:
            names = ", ".join(sorted(thread.name for thread in threading.enumerate()))
            grown.append(f"threads (those of Python: {names})")
        if self.memory > before.memory + _MAX_GROWTH:
            grown.append("memory")
        return grown

    def compared_with(self, before: "Usage") -> str:
        """Return both as text."""
        return (
            f"descriptors {before.descriptors} and then {self.descriptors}, threads {before.threads} and then "
            f"{self.threads}, memory {before.memory:.1f} MB and then {self.memory:.1f} MB"
        )
