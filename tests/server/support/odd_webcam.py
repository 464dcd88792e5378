"""The webcam that most tests of odd behaviour begin with."""

from pathlib import Path

from tests.server.support.fake_webcam import DEFAULT_CONTROLS, MODES, FakeWebcam
from tests.server.support.scripted_camera import grey

LEVELS = (10, 60, 110, 160, 210)


def make_webcam(tmp_path: Path, modes: str = MODES, controls: str = DEFAULT_CONTROLS) -> FakeWebcam:
    """Return a webcam with grey pictures of these levels."""
    return FakeWebcam(tmp_path / "video0", [grey(level) for level in LEVELS], modes, controls)
