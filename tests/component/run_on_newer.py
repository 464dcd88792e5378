"""Runs pytest on a newer Home Assistant than the test plugin was made for: `python run_on_newer.py <pytest arguments>`.

pytest-homeassistant-custom-component 0.13.375 fits Home Assistant 2026.10.4. Two things keep it from 2026.11: it
imports httpx before Home Assistant has put its own in that place, and it calls a function of the logger that is gone.
This file goes away when the plugin has caught up.
"""

import sys

import homeassistant.components.logger
import pytest

if __name__ == "__main__":
    setattr(homeassistant.components.logger, "_clear_logger_overwrites", lambda *_: None)  # noqa: B010 - it has no such name
    sys.exit(pytest.main(sys.argv[1:]))
