"""One viewer of one camera, and what it was sent."""

import time
from dataclasses import dataclass, field

from pi_mjpeg_server.camera.rate import Rate


@dataclass(eq=False, slots=True)
class ViewerStats:
    """A viewer: its IP address, its User-Agent, and when it connected (seconds since 1970).

    `width` is the width in pixels that it asked for, None for pictures as they are. `send_rate` counts the frames that
    it was sent, `drops` those that it was not sent because it was too slow.
    """

    address: str
    agent: str | None
    width: int | None = field(default=None, kw_only=True)
    since: float = field(default_factory=time.time)
    send_rate: Rate = field(default_factory=Rate)
    drops: int = 0
