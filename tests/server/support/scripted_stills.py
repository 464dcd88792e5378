"""A scripted camera that also takes stills larger than its pictures, step by step."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceSettings

from tests.server.support.scripted_camera import Script, ScriptedSource, grey

STILL_SIZE = (128, 96)


@dataclass
class StillScript(Script):
    """What such a camera does, and a record of it.

    `before` has a function for each step that does something else than usual: it may wait or raise. The steps are
    `configure`, `expose` and `back`. `unsettled` are how many stills of each run come while the exposure adapts.
    """

    still: tuple[int, int] | None = STILL_SIZE
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    unsettled: int = 0
    stills: int = 0
    still_runs: int = 0
    overlaps: int = 0

    def source(self, settings: SourceSettings) -> "StillSource":
        """Return a source that follows this script."""
        self.requested = settings
        return StillSource(self)


class StillSource(ScriptedSource):
    """The source of such a camera."""

    def __init__(self, script: StillScript) -> None:
        """Follow this script."""
        super().__init__(script)
        self._stills = script

    def still_size(self) -> tuple[int, int] | None:
        """Return what is scripted."""
        return self._stills.still

    def stills(self) -> Iterator[Picture | None]:
        """Yield white pictures of that size, with the steps as scripted."""
        script = self._stills
        script.still_runs += 1
        # The device is one: a stream that still runs would keep it from being configured.
        script.overlaps += script.capturing
        try:
            self._step("configure")
            yield None
            unsettled = script.unsettled
            while True:
                self._step("expose")
                script.stills += 1
                yield Picture(grey(255, script.still or STILL_SIZE), time.monotonic(), settled=unsettled <= 0)
                unsettled -= 1
                time.sleep(1 / script.fps)
        finally:
            self._step("back")

    def _step(self, name: str) -> None:
        self._stills.before.get(name, lambda: None)()


def waiting(reached: threading.Event, ended: threading.Event | None = None, seconds: float = 10) -> Callable[[], None]:
    """Return a step that sets `reached` and waits until the other event is set, but no longer than `seconds`."""

    def wait() -> None:
        reached.set()
        (ended or threading.Event()).wait(seconds)

    return wait
