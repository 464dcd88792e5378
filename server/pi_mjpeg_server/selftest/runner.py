"""Runs one check after the other, each with a deadline: one that fails or hangs costs only itself."""

import contextlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

from pi_mjpeg_server.concurrency.threads import resolve
from pi_mjpeg_server.selftest.report import Finding, Report, failed


class Runner:
    """Adds the findings of checks to a report, and says on standard error what it does."""

    def __init__(self, report: Report) -> None:
        """Add to `report`."""
        self.report = report

    def begin(self, title: str) -> None:
        """Begin a section of the report."""
        self.report.begin(title)
        _say(f"{self.report.sections[-1].title}:")

    def run(self, check: str, call: Callable[[], Finding], seconds: float) -> Finding:
        """Call a check in a thread, and add its finding. It has failed when it raises, or does not return in time."""
        _say(f"  {check} ...")
        future: Future[Finding] = Future()
        threading.Thread(target=resolve, args=(future, call), name=f"check {check}", daemon=True).start()
        try:
            finding = future.result(seconds)
        except TimeoutError as error:
            late = not future.done()
            finding = failed(f"no answer within {seconds:.0f} s" if late else _described(error))
        except Exception as error:  # noqa: BLE001  (whatever a check raises, the others go on)
            finding = failed(_described(error))
        return self.add(check, finding)

    def add(self, check: str, finding: Finding) -> Finding:
        """Add a finding that is known already."""
        shown = self.report.add(check, finding)
        _say(f"  {check}: {shown.outcome}, {shown.text}")
        return finding


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _say(line: str) -> None:
    """Print the progress, as far as anybody reads it: the report does not depend on that."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)  # noqa: T201  (the progress of a command)
