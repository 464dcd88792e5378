"""The targets of `hot_path.py`: what each figure may be at most, alone or as a ratio to a peer's."""

from dataclasses import dataclass

from benchmarks.measurements import COST, LATE_AGE, MEDIAN_AGE, MEMORY, SHARE, START, Figures
from benchmarks.peers import EMULATED, FLOOR, OURS, USTREAMER

_HOUSE, _CORE = "Home Assistant, ours", "Home Assistant, core"


@dataclass(frozen=True)
class Target:
    """A quantity of the server `server`, which may be at most `most`, or `most` times that of `peer_server`."""

    what: str
    server: str
    viewers: int
    quantity: str
    most: float
    peer_server: str | None = None
    name: str = ""
    digits: int = 1

    def is_measured(self, figures: Figures) -> bool:
        """Whether all that it needs is in the figures."""
        keys = [self.server] if self.peer_server is None else [self.server, self.peer_server]
        return all((key, self.viewers, self.quantity) in figures for key in keys)

    def ours(self, figures: Figures) -> float:
        """Return our figure."""
        return figures[self.server, self.viewers, self.quantity]

    def peer(self, figures: Figures) -> float | None:
        """Return the peer's figure, or None if there is no peer."""
        return None if self.peer_server is None else figures[self.peer_server, self.viewers, self.quantity]

    def excess(self, figures: Figures) -> float:
        """Return by which factor the figure or its ratio is above the target; at most 1 if the target is met."""
        return self.ours(figures) / (self.peer(figures) or 1.0) / self.most


def _ratio(what: str, ours: str, peer: str, name: str, most: dict[int, float]) -> list[Target]:
    return [Target(what, ours, viewers, COST, ratio, peer, name) for viewers, ratio in most.items()]


TARGETS = (
    *_ratio(f"server, {COST}", OURS.name, USTREAMER.name, "ustreamer", {1: 0.75, 8: 0.65, 32: 0.33, 64: 0.25}),
    *_ratio(f"server, {COST}", OURS.name, FLOOR.name, "only sends", {32: 1.8, 64: 1.6}),
    *_ratio(f"Home Assistant, {COST}", _HOUSE, _CORE, "core mjpeg", {1: 1.0, 8: 0.55, 16: 0.45, 32: 0.4}),
    *_ratio(f"1080p on one core, {COST}", f"{OURS.name}, 1080p", f"{USTREAMER.name}, 1080p", "ustreamer", {4: 0.8}),
    *_ratio(f"YUYV 640x480, {COST}", f"{OURS.name}, YUYV", f"{USTREAMER.name}, YUYV", "ustreamer", {1: 1.2}),
    Target(f"emulated, {SHARE}", EMULATED.name, 1, SHARE, 5.0),
    Target(f"server, {MEDIAN_AGE}", OURS.name, 32, MEDIAN_AGE, 0.6, digits=2),
    Target(f"server, {LATE_AGE}", OURS.name, 32, LATE_AGE, 0.9, digits=2),
    Target(f"Home Assistant, {MEDIAN_AGE}", _HOUSE, 32, MEDIAN_AGE, 1.0, digits=2),
    Target(f"webcam, {MEMORY}", OURS.name, 0, MEMORY, 50.0),
    Target(f"emulated, {MEMORY}", EMULATED.name, 0, MEMORY, 55.0),
    Target(f"emulated, {START}", EMULATED.name, 0, START, 0.7, digits=2),
)
