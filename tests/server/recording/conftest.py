"""The recording room needs the camera room's short timeouts."""

from tests.server.camera.conftest import short_timeouts

__all__ = ["short_timeouts"]
