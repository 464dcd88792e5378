"""A webcam made of files: the fake V4L2 device for other processes, and the faults that a test injects."""

from collections.abc import Sequence
from pathlib import Path

from tooling.compiler import shared_library

from tests.server.support.fault_folder import FaultFolder

SOURCE = Path(__file__).parent / "fake_v4l2" / "fake_v4l2.c"
READY = b"FAKE_V4L2_READY="
"""Precedes 19 digits in a frame, which are replaced by the time (ns of CLOCK_MONOTONIC) at which it was ready."""
DEFAULT_CONTROLS = """\
control 0x00980900 1 0 -64 64 2 0 0 Brightness
control 0x0098090c 2 0 0 1 1 1 1 White Balance, Automatic
control 0x00980918 3 0 0 2 1 1 1 Power Line Frequency
menu 0x00980918 0 Disabled
menu 0x00980918 1 50 Hz
menu 0x00980918 2 60 Hz
control 0x009a0901 3 0 0 3 1 3 3 Auto Exposure
menu 0x009a0901 1 Manual Mode
menu 0x009a0901 3 Aperture Priority Mode
"""
"""See `fake_v4l2.c` for the format."""
MODES = "MJPG 64 48 30\nMJPG 1280 720 30\nYUYV 64 48 30\n"


def environment(root: Path) -> dict[str, str]:
    """Return the environment in which a process sees the folders video* of `root` as webcams."""
    return {"LD_PRELOAD": str(shared_library(SOURCE)), "FAKE_V4L2": str(root)}


class FakeWebcam(FaultFolder):
    """One webcam: a folder that is opened like a device."""

    def __init__(
        self, path: Path, frames: Sequence[bytes], modes: str = MODES, controls: str = DEFAULT_CONTROLS
    ) -> None:
        """Create the folder; `frames` are played in a loop."""
        self.path = path
        (path / "frames").mkdir(parents=True)
        for number, frame in enumerate(frames):
            (path / "frames" / f"{number:03}").write_bytes(frame)
        (path / "modes").write_text(modes)
        (path / "controls").write_text(controls)

    @property
    def control_calls(self) -> list[str]:
        """Return the calls that read or set a control, in order, each as `G_CTRL ID` or `S_CTRL ID`."""
        file = self.path / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def controls_set(self) -> list[str]:
        """Return the controls that were set, in order, each as `NAME VALUE`."""
        file = self.path / "set"
        return file.read_text().splitlines() if file.exists() else []
