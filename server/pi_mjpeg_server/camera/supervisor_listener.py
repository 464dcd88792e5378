"""What a supervisor asks of its camera, and tells it."""

from collections.abc import Mapping
from typing import Protocol

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceInfo
from pi_mjpeg_server.sources.controls import Control


class SupervisorListener(Protocol):
    """Says whether pictures are demanded, and receives the pictures and the changes of the state."""

    def demanded_until(self) -> float:
        """Return the time, on the monotonic clock, until which pictures are demanded; infinity if it is not known."""

    def source_opened(self, info: SourceInfo, controls: Mapping[str, Control]) -> None:
        """The device is open; `info` and `controls` say what it offers."""

    def picture_received(self, picture: Picture, capture_drops: int) -> None:
        """A picture came; `capture_drops` pictures before it were lost on the capture side."""

    def picture_replaced(self, picture: Picture) -> None:
        """A newer picture came before the event loop could take this one, which viewers need not see any more."""

    def size_changed(self, size: tuple[int, int]) -> None:
        """The pictures have another size, in pixels, than was known."""

    def pictures_dropped(self, count: int) -> None:
        """`count` more pictures were lost on the capture side, because they were damaged."""

    def state_changed(self) -> None:
        """The state or its reason has changed."""
