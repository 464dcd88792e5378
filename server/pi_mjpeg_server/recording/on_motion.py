"""Records a clip of each motion."""

import logging

from pi_mjpeg_server.camera.errors import CameraOffError, CameraUnavailableError
from pi_mjpeg_server.motion.watch import MotionWatch
from pi_mjpeg_server.recording.recorder import OpenRecording, Recorder

_LOGGER = logging.getLogger(__name__)


class MotionRecorder:
    """Records one camera from its preroll before a motion until that ends, with the trigger `motion`."""

    def __init__(self, recorder: Recorder, watch: MotionWatch) -> None:
        """Record what `watch` sees, from now on."""
        self._recorder = recorder
        self._watch = watch
        self._recording: OpenRecording | None = None
        self._moves = False
        watch.on_change.append(self._changed)

    def _changed(self) -> None:
        moves = self._watch.status.motion
        if moves == self._moves:
            # One that ended early, on a full disk for example, is not begun again during the same motion.
            return
        self._moves = moves
        if not moves:
            if self._recording is not None:
                self._recording.stop()
                self._recording = None
            return
        try:
            self._recording = self._recorder.start(self._watch.camera, "motion")
        except (CameraOffError, CameraUnavailableError) as error:
            _LOGGER.info("%s: a motion is not recorded: %s", self._watch.camera.settings.name, error)
