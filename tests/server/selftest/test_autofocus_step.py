"""The autofocus in the report, of a scripted camera with a lens."""

import time
from dataclasses import dataclass

import pytest
from pi_mjpeg_server.selftest import autofocus_step
from pi_mjpeg_server.selftest.report import Outcome
from pi_mjpeg_server.sources.controls import ControlError
from pi_mjpeg_server.sources.emulated import EmulatedSource

from tests.server.selftest.conftest import UseSource
from tests.server.support.scripted_camera import Script, ScriptedSource

MEASURED = 0.4


@dataclass
class Lens:
    """A run takes so many `seconds`, and ends with a focus if it `finds` one. `error` is why there is no lens."""

    seconds: float = 0.2
    finds: bool = True
    error: str | None = None


class LensSource(ScriptedSource):
    """A camera with a lens."""

    def __init__(self, lens: Lens) -> None:
        """Have this lens."""
        super().__init__(Script())
        self.lens = lens
        self.ends_at = 0.0

    def start_focus(self) -> None:
        """Start, or refuse."""
        if self.lens.error is not None:
            raise ControlError(self.lens.error)
        self.ends_at = time.monotonic() + self.lens.seconds

    def focus_result(self) -> bool | None:
        """Return the result when it is time."""
        return self.lens.finds if time.monotonic() >= self.ends_at else None


@pytest.mark.parametrize(("finds", "outcome"), [(True, Outcome.PASSED), (False, Outcome.FAILED)])
def test_the_run_is_timed_and_has_to_find_a_focus(use_source: UseSource, *, finds: bool, outcome: Outcome) -> None:
    finding = autofocus_step.autofocus(use_source(lambda _: LensSource(Lens(finds=finds))), MEASURED)
    assert finding.outcome is outcome
    assert float(finding.text.partition(" s,")[0]) >= 0.2
    assert " before and " in finding.text


def test_a_run_that_does_not_end_is_given_up(use_source: UseSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autofocus_step, "_FOCUS_TIMEOUT", 0.2)
    finding = autofocus_step.autofocus(use_source(lambda _: LensSource(Lens(60))), MEASURED)
    assert finding.outcome is Outcome.FAILED
    assert finding.text == "it did not end within 0 s"


def test_a_camera_that_does_not_focus_itself(use_source: UseSource) -> None:
    assert autofocus_step.autofocus(use_source(EmulatedSource), MEASURED).outcome is Outcome.ABSENT
    finding = autofocus_step.autofocus(use_source(lambda _: LensSource(Lens(error="it has no lens"))), MEASURED)
    assert (finding.outcome, finding.text) == (Outcome.ABSENT, "it has no lens")
