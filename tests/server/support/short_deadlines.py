"""`pi-mjpeg` with timeouts of about a second, so that tests are fast."""

import sys

from pi_mjpeg_server import cli
from pi_mjpeg_server.camera import camera, supervisor

camera.START_TIMEOUT = supervisor.START_TIMEOUT = 3.0  # type: ignore[attr-defined]  # imported there, not exported
supervisor.STOP_TIMEOUT = 1.0
supervisor.CONTROL_TIMEOUT = 1.0
supervisor.FRAME_TIMEOUT = 1.0
supervisor.RESPONSE_TIMEOUT = 0.8

sys.exit(cli.main())
