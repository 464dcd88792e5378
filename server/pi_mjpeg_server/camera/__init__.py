"""One camera at run time: its capture thread, its state machine, and the fan-out of its frames to viewers."""
