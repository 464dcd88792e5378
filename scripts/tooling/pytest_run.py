"""Runs pytest and counts results from its report."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from tooling import cache

MAX_RETRIED = 5
"""Failed tests that are run a second time. More than these are no accident of a busy machine."""


@dataclass(frozen=True)
class PytestRun:
    """The results of a run. `failed` and `retried` are names of tests; the latter passed only when they ran alone."""

    output: str
    exit_code: int
    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: int = 0
    retried: tuple[str, ...] = ()


def run_pytest(command: Sequence[str | Path]) -> PytestRun:
    """Run the pytest `command`, then once more, one after another, the few tests that failed beside others.

    Deadlines of real processes are missed now and then on a machine that is busy with something else. A test that
    fails for another reason fails twice.
    """
    with tempfile.TemporaryDirectory() as folder:
        # A cache of its own, because suites that run at the same time remember their failed tests there.
        command = [*command, "-o", f"cache_dir={folder}/cache"]
        first = _run(command, Path(folder) / "first.xml")
        if first.skipped or not 0 < len(first.failed) <= MAX_RETRIED:
            return first
        if "--numprocesses" in command:
            command += ["--numprocesses", "0"]
        again = _run([*command, "--last-failed", "--last-failed-no-failures", "none"], Path(folder) / "second.xml")
    if again.passed + len(again.failed) != len(first.failed):
        return replace(first, output=first.output + again.output)
    return PytestRun(
        first.output + again.output,
        again.exit_code,
        first.passed + again.passed,
        again.failed,
        retried=tuple(name for name in first.failed if name not in again.failed),
    )


def _run(command: Sequence[str | Path], report: Path) -> PytestRun:
    done = subprocess.run(
        [*command, f"--junitxml={report}"],
        cwd=cache.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not report.exists():
        return PytestRun(done.stdout, done.returncode)
    # pytest wrote the report on this machine, so it is trusted.
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314
    # A test whose teardown failed too stands there twice.
    failed = {_name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None}
    skipped = {_name(case) for case in cases if case.find("skipped") is not None}
    passed = {_name(case) for case in cases} - failed - skipped
    return PytestRun(done.stdout, done.returncode, len(passed), tuple(sorted(failed)), len(skipped))


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"
