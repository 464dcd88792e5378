"""The command `pi-mjpeg selftest`: checks on this machine what can only be seen on the real one, and reports it."""
