"""Records what a camera publishes while viewers watch."""

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import Frame


def viewer() -> ViewerStats:
    """Return the statistics of a viewer on this machine."""
    return ViewerStats("127.0.0.1", None)


class Watch:
    """Records every frame that a camera publishes."""

    def __init__(self, cam: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record from now on."""
        self.frames: list[Frame] = []
        publish = cam.broadcast.publish

        def record(frame: Frame) -> None:
            self.frames.append(frame)
            publish(frame)

        monkeypatch.setattr(cam.broadcast, "publish", record)

    @property
    def live(self) -> list[Frame]:
        """The frames that are no drawn ones."""
        return [frame for frame in self.frames if not frame.drawn]
