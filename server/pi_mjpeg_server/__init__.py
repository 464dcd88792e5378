"""Any number of viewers for a Raspberry Pi's cameras, announced to Home Assistant by MQTT."""

VERSION = "0.1.0"
"""The one place of the version. pyproject.toml reads it; a test holds the component and the changelog to it."""
