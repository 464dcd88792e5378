"""Waiting, retrying and threads, as the event loop needs them everywhere. Knows nothing of cameras or networks."""
