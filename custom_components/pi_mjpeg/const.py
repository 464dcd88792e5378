"""The domain, topics and limits."""

import logging
from datetime import timedelta
from typing import Final

DOMAIN: Final = "pi_mjpeg"
LOGGER: Final = logging.getLogger(__package__)

DOCUMENTATION: Final = "https://github.com/pi-mjpeg/pi_mjpeg"

CONF_FINGERPRINT: Final = "fingerprint"
CONF_FPS: Final = "fps"
CONF_IDENTITY: Final = "identity"

CAMERA_KEY: Final = "camera"
SMALL_CAMERA_KEY: Final = "camera_small"
"""How the unique ids of the two camera entities of a camera end."""

SCHEMA: Final = 1
"""The schema number in every document of the contract. Documents with another number cannot be read."""

BASE_TOPIC: Final = DOMAIN
DISCOVERY_TOPIC: Final = f"{BASE_TOPIC}/discovery/{{node}}/config"
CLAIMED_TOPIC: Final = f"{BASE_TOPIC}/{{node}}/claimed"

POLL_INTERVAL: Final = timedelta(seconds=30)
HELD_POLL_INTERVAL: Final = timedelta(minutes=10)
"""While the server's events tell every change."""

KIB: Final = 1024
MAX_ANNOUNCEMENT_BYTES: Final = 32 * KIB
"""An announcement of 16 cameras takes 8 KiB, and 24 KiB with the longest names. A larger one is not parsed."""

MAX_TELEMETRY_BYTES: Final = 8 * KIB
"""The state of a camera takes less than 1 KiB, and an error of its driver is cut to `MAX_TEXT` only when it is read."""

MAX_MESSAGE_BYTES: Final = 64 * KIB
"""Of any other answer or message."""

MAX_STATE_BYTES: Final = 256 * KIB
"""The state lists every viewer, so it may be larger than a message."""

MAX_CLIPS_BYTES: Final = 512 * KIB
"""The list of 500 clips takes 350 KiB."""

MAX_CLIP_BYTES: Final = 2 * KIB * KIB * KIB
"""A clip of six minutes at 60 pictures a second of 90 KB takes so much."""

MAX_PICTURE_BYTES: Final = 16 * KIB * KIB
"""A high-quality JPEG of 12 megapixels takes 8 MiB."""

MAX_STILL_BYTES: Final = 48 * KIB * KIB
"""A high-quality JPEG of 64 megapixels takes 40 MiB."""

MAX_PREVIEW_BYTES: Final = 128 * KIB
"""For the picture in the config flow. One that is 320 pixels wide takes 20 KiB."""

MAX_CAMERAS: Final = 16
MAX_CONTROLS: Final = 64
"""Of each camera."""
