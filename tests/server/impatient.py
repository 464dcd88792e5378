"""`pi-mjpeg` with deadlines of a second, so that a test need not wait as long as a person would."""

import sys

from pi_mjpeg_server import camera, cli, supervisor

camera.START_WITHIN = supervisor.START_WITHIN = 3.0  # type: ignore[attr-defined]  # imported there, not exported
supervisor.STOP_WITHIN = 1.0
supervisor.LONGEST_GAP = 1.0
supervisor.ANSWERS_WITHIN = 0.8

sys.exit(cli.main())
