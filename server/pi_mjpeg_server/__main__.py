"""Lets `python -m pi_mjpeg_server` be the command `pi-mjpeg`."""

import sys

from pi_mjpeg_server.cli import main

sys.exit(main())
