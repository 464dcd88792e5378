"""The component's name, its topics and its limits."""

import logging
from datetime import timedelta
from typing import Final

DOMAIN: Final = "pi_mjpeg"
LOGGER: Final = logging.getLogger(__package__)

DOCUMENTATION: Final = "https://github.com/pi-mjpeg/pi_mjpeg"

CONF_FINGERPRINT: Final = "fingerprint"
CONF_FPS: Final = "fps"

SCHEMA: Final = 1
"""The number that every document of the contract carries; another number is another contract."""

BASE_TOPIC: Final = DOMAIN
DISCOVERY_TOPIC: Final = f"{BASE_TOPIC}/discovery/{{node}}/config"
CLAIMED_TOPIC: Final = f"{BASE_TOPIC}/{{node}}/claimed"

POLL_INTERVAL: Final = timedelta(seconds=30)

KIB: Final = 1024
MAX_MESSAGE_BYTES: Final = 64 * KIB
"""An announcement of 16 cameras takes 8 KiB; what is larger is not parsed at all."""

MAX_STATE_BYTES: Final = 256 * KIB
"""The state names every viewer, hence more room than a message."""

MAX_PICTURE_BYTES: Final = 16 * KIB * KIB
"""A 12 megapixel JPEG of high quality takes 8 MiB."""

MAX_PREVIEW_BYTES: Final = 128 * KIB
"""What the dialog that adds a server shows; 320 pixels of width take 20 KiB."""

MAX_CAMERAS: Final = 16
