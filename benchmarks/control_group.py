"""A control group of the kernel that limits memory and processor time, made by hand. It needs root.

Version 1 (cgroup-v1/memory.rst, scheduler/sched-bwc.rst of the kernel) and version 2 (cgroup-v2.rst). Version 2 was not
tried.
"""

import time
from pathlib import Path
from typing import NamedTuple, Self

from tooling.errors import ScriptError

_ROOT = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds, the kernel's default


class _Files(NamedTuple):
    """The names of the files of one version."""

    limit: str
    usage: str
    peak: str
    events: str


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control")
_V2 = _Files("memory.max", "memory.current", "memory.peak", "memory.events")


class ControlGroup:
    """A group with a limit of memory in bytes and one of processor time, as a share of one core."""

    def __init__(self, name: str, memory: int, share: float) -> None:
        """Make the group below that of this process. Raises ScriptError where that is not possible."""
        own = _own_groups()
        quota = int(_PERIOD * share)
        self._is_v1 = "memory" in own
        self._files = _V1 if self._is_v1 else _V2
        parents = [_ROOT / each / own[each] for each in ("memory", "cpu")] if self._is_v1 else [_ROOT, _ROOT]
        self._memory, self._cpu = (parent / name for parent in parents)
        try:
            for folder in self.folders:
                folder.mkdir(exist_ok=True)
            (self._memory / self._files.limit).write_text(str(memory))
            if self._is_v1:
                (self._cpu / "cpu.cfs_period_us").write_text(str(_PERIOD))
                (self._cpu / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (self._cpu / "cpu.max").write_text(f"{quota} {_PERIOD}")
        except OSError as error:
            self.remove()
            raise ScriptError(f"no control group can be made, which needs root: {error}") from error

    def __enter__(self) -> Self:
        """Use it inside the `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.remove()

    @property
    def folders(self) -> list[Path]:
        """The folders of the group: a process joins by its id in `cgroup.procs` of each."""
        return list(dict.fromkeys((self._memory, self._cpu)))

    @property
    def usage(self) -> int:
        """The bytes that the group has: of its processes, of tmpfs and of the page cache."""
        return int((self._memory / self._files.usage).read_text())

    @property
    def page_cache(self) -> int:
        """The bytes of these that are pages of files on a disk, which the kernel takes back when it needs them."""
        found = _numbers(self._memory / "memory.stat")
        return found["cache"] - found["shmem"] if self._is_v1 else found["file"] - found["shmem"]

    @property
    def peak(self) -> int:
        """The most bytes that it has had."""
        return int((self._memory / self._files.peak).read_text())

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed because the group had no memory left."""
        return _numbers(self._memory / self._files.events)["oom_kill"]

    @property
    def stalled_periods(self) -> float:
        """The share of the periods in which it had no processor time left."""
        found = _numbers(self._cpu / "cpu.stat")
        return found["nr_throttled"] / max(1, found["nr_periods"])

    def remove(self) -> None:
        """Remove the group; its processes have to have ended, and may be on their way out for a moment."""
        for folder in self.folders:
            for _ in range(20):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.1)
                else:
                    break


def _own_groups() -> dict[str, str]:
    """Return the path of this process's group for each controller of version 1."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    return groups


def _numbers(file: Path) -> dict[str, int]:
    """Return the lines of a file, each a name and a number."""
    return {name: int(value) for name, value in map(str.split, file.read_text().splitlines())}
