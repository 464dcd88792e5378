"""The live picture in the report: a real server, and real viewers of it."""

from pathlib import Path

import pytest
from pi_mjpeg_server.selftest import stream_step
from pi_mjpeg_server.selftest.report import Outcome
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import SourceSettings

MEASURED = 0.5
IN_MEMORY = Path("/dev/shm")  # noqa: S108  (it is looked at)


def test_one_viewer_and_four_get_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("emulated", SourceSettings(size=(320, 240), fps=20))
    finding = stream_step.stream(target, MEASURED)
    assert finding.outcome is Outcome.PASSED, finding.text
    one, four = finding.text.split("; 4 viewers: ")
    for text in (one.removeprefix("1 viewer: "), four):
        rate, age = float(text.partition(" fps")[0]), float(text.partition("frames ")[2].partition(" ms old")[0])
        assert 5 < rate < 25
        assert 0 <= age < 500
    monkeypatch.setattr(stream_step, "_MIN_FRAMES", 3)
    assert "frames are missing" in stream_step.stream(target, MEASURED).text


def test_a_camera_without_pictures_fails_with_its_reason(tmp_path: Path) -> None:
    before = set(IN_MEMORY.iterdir())
    finding = stream_step.stream(Target("files", SourceSettings(device=str(tmp_path / "none"))), MEASURED)
    assert finding.outcome is Outcome.FAILED
    assert "is not a folder" in finding.text
    # Neither its clips nor its state stay.
    assert set(IN_MEMORY.iterdir()) == before
