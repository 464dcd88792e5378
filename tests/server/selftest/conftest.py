"""Cameras for the checks: a scripted one in this process, and a fake webcam for those in a process of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pi_mjpeg_server.selftest import camera_steps, control_steps
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.sources import Source, SourceSettings

from tests.server.support.fake_webcam import FakeWebcam, environment
from tests.server.support.scripted_camera import grey

UseSource = Callable[[Callable[[SourceSettings], Source]], Target]


@pytest.fixture
def use_source(monkeypatch: pytest.MonkeyPatch) -> UseSource:
    """Return a function that has the checks use a source, without the pauses that real cameras need."""

    def use(make_source: Callable[[SourceSettings], Source]) -> Target:
        monkeypatch.setattr(camera_steps, "source_factory", lambda _: make_source)
        monkeypatch.setattr(camera_steps, "_SETTLING", 0.05)
        monkeypatch.setattr(control_steps, "_EFFECT_AFTER", 0.05)
        return Target("scripted", SourceSettings(size=(64, 48), fps=50))

    return use


@pytest.fixture
def webcam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWebcam:
    """Return a webcam that processes started from here have."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return FakeWebcam(tmp_path / "video0", [grey(level) for level in (10, 60, 110, 160, 210)])
