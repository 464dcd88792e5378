"""Timeouts of the camera room that a test need not wait for."""

import pytest
from pi_mjpeg_server.camera import camera as camera_module
from pi_mjpeg_server.camera import supervisor


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make timeouts last tenths of a second."""
    monkeypatch.setattr(camera_module, "START_TIMEOUT", 0.8)
    monkeypatch.setattr(supervisor, "START_TIMEOUT", 0.8)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "CONTROL_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "FRAME_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "STILL_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "RETRY_DELAYS", (0.05, 0.1))
    monkeypatch.setattr(supervisor, "RESPONSE_TIMEOUT", 0.2)
