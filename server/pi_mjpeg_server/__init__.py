"""Any number of viewers for a Raspberry Pi's cameras, announced to Home Assistant by MQTT."""

from importlib.metadata import version

VERSION = version("pi-mjpeg-server")
