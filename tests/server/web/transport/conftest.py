"""A camera that gives a viewer frames to lose."""

import pytest

from tests.server.support.scripted_camera import Script


@pytest.fixture
def script() -> Script:
    return Script(fps=20)
