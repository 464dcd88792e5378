"""The live picture in the report: a real server, and real viewers of it."""

import re
from pathlib import Path

import pytest
from pi_mjpeg_server.selftest import stream_step
from pi_mjpeg_server.selftest.report import Outcome
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.storage import clip_folder

MEASURED = 0.5


def test_one_viewer_and_four_get_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("emulated", SourceSettings(size=(640, 480), fps=10))
    finding = stream_step.stream(target, MEASURED)
    assert finding.outcome is Outcome.PASSED, finding.text
    texts = re.split(r"(?:^|; )(?:1 viewer|4 viewers|1 viewer at a width of 320): ", finding.text)[1:]
    assert len(texts) == 3
    sizes: list[float] = []
    for text in texts:
        rate, size, age = map(float, re.findall(r"^(.*?) fps.*frames of (.*?) kB, (.*?) ms old", text)[0])
        sizes.append(size)
        assert 2 < rate < 15
        assert 0 <= age < 2000
    assert sizes[2] < sizes[0] / 2
    monkeypatch.setattr(stream_step, "_MIN_FRAMES", 3)
    assert "frames are missing" in stream_step.stream(target, MEASURED).text


def test_a_camera_without_pictures_fails_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (in_memory := tmp_path / "shm").mkdir()
    monkeypatch.setattr(clip_folder, "_SHARED_MEMORY", in_memory)
    finding = stream_step.stream(Target("files", SourceSettings(device=str(tmp_path / "none"))), MEASURED)
    assert finding.outcome is Outcome.FAILED
    assert "is not a folder" in finding.text
    # Neither its clips nor its state stay.
    assert list(in_memory.iterdir()) == []
