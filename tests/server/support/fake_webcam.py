"""A webcam made of files: the fake V4L2 device for other processes, and the faults that a test injects."""

from collections.abc import Sequence
from pathlib import Path

from tooling.compiler import shared_library

SOURCE = Path(__file__).with_name("fake_v4l2.c")
READY = b"FAKE_V4L2_READY="
"""Precedes 19 digits in a frame, which are replaced by the time (ns of CLOCK_MONOTONIC) at which it was ready."""
MODES = "MJPG 64 48 30\nMJPG 1280 720 30\nYUYV 64 48 30\n"


def environment(root: Path) -> dict[str, str]:
    """Return the environment in which a process sees the folders video* of `root` as webcams."""
    return {"LD_PRELOAD": str(shared_library(SOURCE)), "FAKE_V4L2": str(root)}


class FakeWebcam:
    """One webcam: a folder that is opened like a device."""

    def __init__(self, path: Path, frames: Sequence[bytes], modes: str = MODES) -> None:
        """Create the folder; `frames` are played in a loop."""
        self.path = path
        (path / "frames").mkdir(parents=True)
        for number, frame in enumerate(frames):
            (path / "frames" / f"{number:03}").write_bytes(frame)
        (path / "modes").write_text(modes)

    def inject_fault(self, fault: str) -> None:
        """Start a fault: unplugged, busy, silent, stuck or stop_stuck."""
        (self.path / fault).touch()

    def clear_fault(self, fault: str) -> None:
        """End a fault."""
        (self.path / fault).unlink(missing_ok=True)

    @property
    def controls_set(self) -> list[str]:
        """Return the controls that were set, in order, each as `NAME VALUE`."""
        file = self.path / "set"
        return file.read_text().splitlines() if file.exists() else []
