"""One viewer of one camera, and what it got."""

import time
from dataclasses import dataclass, field

from pi_mjpeg_server.camera.rate import Rate


@dataclass(eq=False, slots=True)
class Viewer:
    """Who watches: its address, the name its program gives itself, and since when (seconds since 1970)."""

    address: str
    agent: str | None
    since: float = field(default_factory=time.time)
    sent: Rate = field(default_factory=Rate)
    dropped: int = 0
