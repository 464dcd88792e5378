"""scripts/test: every test of both halves and end to end, in lanes that each have an environment of their own."""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from workbench import cache, environments
from workbench.errors import ScriptError
from workbench.programs import playwright_environment, program
from workbench.progress import say

_AT_ONCE = 2  # lanes; a Raspberry Pi and a small builder have at least that many cores


@dataclass(frozen=True)
class Lane:
    """One pytest run: its environment, the words after `python`, and what its tests start besides.

    A lane that measures seconds runs alone, so that no other lane takes them.
    """

    name: str
    environment: Callable[[], Path]
    words: tuple[str, ...]
    needs: tuple[Callable[[], object], ...] = ()
    alone: bool = False

    def prepare(self) -> Path:
        """Make what the lane needs; return its Python. Raises ScriptError when something cannot be had."""
        for need in self.needs:
            need()
        return self.environment() / "bin/python"


@dataclass(frozen=True)
class Outcome:
    """What came of a lane. A test that was skipped keeps no promise: it counts as failed."""

    lane: Lane
    seconds: float
    output: str
    exit_code: int
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def fine(self) -> bool:
        """Whether it ran tests, and all of them passed."""
        return self.exit_code == 0 and self.passed > 0 and self.failures == 0

    @property
    def failures(self) -> int:
        """How many tests failed; at least one when the lane itself failed."""
        counted = self.failed + self.skipped
        return counted or int(self.exit_code != 0 or self.passed == 0)


_MOSQUITTO = partial(program, "mosquitto")
_SYSTEMD = tuple(partial(program, name) for name in ("systemctl", "systemd-analyze"))
_CLIENTS = tuple(partial(program, name) for name in ("curl", "ffmpeg", "chromium", "firefox", "mpv", "nginx", "caddy"))

_TWO_AT_ONCE = ("--numprocesses", "2", "--dist", "worksteal")

LANES = (
    Lane("server", environments.tests, ("-m", "pytest", "tests/server", *_TWO_AT_ONCE), (_MOSQUITTO,), alone=True),
    Lane("component", environments.component, ("-m", "pytest", "tests/component")),
    Lane("component-newer", environments.component_newer, ("tests/component/run_on_newer.py", "tests/component")),
    Lane(
        "e2e",
        environments.tests,
        ("-m", "pytest", "tests/e2e"),
        (environments.home_assistant, _MOSQUITTO, *_CLIENTS, playwright_environment),
        alone=True,
    ),
)


def main(argv: Sequence[str]) -> int:
    """Run the lanes that are asked for; the last line says how many tests passed and failed, those skipped included."""
    lanes, given = _asked(argv)
    try:
        # One after the other: they share interpreters and downloads.
        pythons = {lane: lane.prepare() for lane in lanes}
    except ScriptError as trouble:
        print(f"scripts/test: {trouble}", file=sys.stderr)
        return 1

    def run(lane: Lane) -> Outcome:
        outcome = _run(lane, pythons[lane], given)
        _tell(outcome)
        return outcome

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = list(pool.map(run, (lane for lane in lanes if not lane.alone)))
    outcomes += [run(lane) for lane in lanes if lane.alone]
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failures for outcome in outcomes)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if all(outcome.fine for outcome in outcomes) else 1


def _asked(argv: Sequence[str]) -> tuple[list[Lane], list[str]]:
    """Return the lanes and the words for pytest, which follow a `--`."""
    ours = list(itertools.takewhile(lambda word: word != "--", argv))
    names = [lane.name for lane in LANES]
    parser = argparse.ArgumentParser(prog="scripts/test", description="Run the tests. Needs no preparation.")
    parser.add_argument("lane", nargs="*", metavar="LANE", help=f"one of {', '.join(names)} (default: all)")
    parser.usage = "scripts/test [-h] [LANE ...] [-- PYTEST ARGUMENTS]"
    wanted = parser.parse_args(ours).lane
    if unknown := set(wanted) - set(names):
        parser.error(f"no lane {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    return [lane for lane in LANES if not wanted or lane.name in wanted], list(argv[len(ours) + 1 :])


def _run(lane: Lane, python: Path, given: Sequence[str]) -> Outcome:
    began = time.monotonic()
    say(f"          lane {lane.name} ...")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [python, *lane.words, "-rfEs", f"--junitxml={report}", *given],
            cwd=cache.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        counts = _counts(report)
    return Outcome(lane, time.monotonic() - began, done.stdout, done.returncode, *counts)


def _counts(report: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped, by pytest's own report."""
    if not report.exists():
        return 0, 0, 0
    # The report is pytest's, on this machine: no stranger wrote it.
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314
    if suite is None:
        return 0, 0, 0
    tests, failures, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    return max(tests - failed - skipped, 0), failed, skipped


def _tell(outcome: Outcome) -> None:
    if not outcome.fine:
        print(outcome.output, flush=True)
    line = f"{outcome.seconds:6.1f} s  lane {outcome.lane.name}: {outcome.passed} passed, {outcome.failures} failed"
    if outcome.skipped:
        line += f" ({outcome.skipped} of them skipped: a skipped test keeps no promise)"
    if outcome.passed == 0:
        line += " (no test passed)"
    say(line)
