"""Whether a detector was right about a scene."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.motion.scenes import QUIET

_GRACE = 1.5  # seconds that an alarm may be late
_ONE_ALARM = 10.0  # seconds within which two alarms are one, as with the server's default `clear_after`


@dataclass(frozen=True)
class Truth:
    """When pictures of a scene were taken, in seconds, and between which of them a walker was there."""

    kind: str
    seed: int
    walker: tuple[float, float] | None
    end: float


@dataclass(frozen=True)
class Verdict:
    """What a detector made of a scene: whether it found the walker, and the times of its false alarms.

    `found` is None for a scene without a walker, and only such scenes count for false alarms. What a detector says in
    the first seconds, in which it may learn, does not count.
    """

    found: bool | None
    false: tuple[float, ...]
    watched: float


def judge(truth: Truth, alarms: Sequence[float]) -> Verdict:
    """Judge the times of the pictures in which a detector said that something moves."""
    if truth.walker is not None:
        first, last = truth.walker
        return Verdict(any(first <= alarm <= last + _GRACE for alarm in alarms), (), 0.0)
    false: list[float] = []
    before = -_ONE_ALARM
    for alarm in alarms:
        if alarm >= QUIET:
            if alarm - before > _ONE_ALARM:
                false.append(alarm)
            before = alarm
    return Verdict(None, tuple(false), truth.end - QUIET)


@dataclass(frozen=True)
class Score:
    """The verdicts of one detector, summed up."""

    walkers: int
    found: int
    false: int
    hours: float
    wrong_scenes: float

    @property
    def worth(self) -> float:
        """The fraction of walkers found less the fraction of empty scenes with a false alarm: what tuning maximises."""
        return self.found / max(1, self.walkers) - self.wrong_scenes


def sum_up(verdicts: Sequence[Verdict]) -> Score:
    """Return the score of a detector."""
    with_walker = [verdict for verdict in verdicts if verdict.found is not None]
    empty = [verdict for verdict in verdicts if verdict.found is None]
    return Score(
        walkers=len(with_walker),
        found=sum(verdict.found is True for verdict in with_walker),
        false=sum(len(verdict.false) for verdict in empty),
        hours=sum(verdict.watched for verdict in empty) / 3600,
        wrong_scenes=sum(bool(verdict.false) for verdict in empty) / max(1, len(empty)),
    )
