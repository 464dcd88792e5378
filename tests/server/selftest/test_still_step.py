"""The still at full size, of a scripted camera."""

import time

import pytest
from pi_mjpeg_server.selftest import still_step
from pi_mjpeg_server.selftest.report import Outcome
from pi_mjpeg_server.sources import StillError

from tests.server.selftest.conftest import UseSource
from tests.server.support.scripted_camera import Script
from tests.server.support.scripted_stills import StillScript, StillSource

MEASURED = 0.4


def test_a_still_is_taken_between_the_pictures_and_the_gap_is_measured(use_source: UseSource) -> None:
    script = StillScript(before={"expose": lambda: time.sleep(0.1), "back": lambda: time.sleep(0.1)}, unsettled=2)
    finding = still_step.full_still(use_source(script.source), MEASURED)
    assert finding.outcome is Outcome.PASSED, finding.text
    assert finding.text.startswith("128x96, 0.00 MB, taken in 0.")
    taken, gap = (float(part.partition(" s")[0].rpartition(" ")[2]) for part in finding.text.split(" s;", 1))
    # Three times exposed, as the first two have not settled.
    assert 0.3 <= taken < gap
    assert gap >= 0.4
    assert (script.overlaps, script.capturing, script.captures) == (0, 0, 2)


def test_a_still_of_another_size_fails(use_source: UseSource) -> None:
    class Telling(StillSource):
        def still_size(self) -> tuple[int, int] | None:
            return 4608, 2592

    finding = still_step.full_still(use_source(lambda _: Telling(StillScript())), MEASURED)
    assert finding.outcome is Outcome.FAILED
    assert finding.text.endswith("it should have 4608x2592")


@pytest.mark.parametrize("script", [Script(), StillScript(still=None)])
def test_a_camera_without_larger_stills(use_source: UseSource, script: Script) -> None:
    assert still_step.full_still(use_source(script.source), MEASURED).outcome is Outcome.ABSENT


def test_a_still_that_cannot_be_taken_closes_the_camera(use_source: UseSource) -> None:
    def fail() -> None:
        raise StillError("no memory for 4608x2592")

    script = StillScript(before={"configure": fail})
    with pytest.raises(StillError, match="no memory"):
        still_step.full_still(use_source(script.source), MEASURED)
    assert script.closed == 1
