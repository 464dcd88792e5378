"""One camera at work: its thread, its state machine, and the fan-out of its frames to viewers."""
