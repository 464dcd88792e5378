"""scripts/test: the test suites, each in its own environment."""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tooling import environments
from tooling.errors import ScriptError
from tooling.programs import playwright_environment, program
from tooling.progress import say
from tooling.pytest_run import PytestRun, run_pytest

_PARALLEL = 2  # suites; a Raspberry Pi and a small CI machine have at least that many cores


@dataclass(frozen=True)
class Suite:
    """One pytest run: its environment, the arguments of `python`, and the programs that its tests need.

    A suite that measures time runs alone, so that no other suite uses the processor.
    """

    name: str
    environment: Callable[[], Path]
    arguments: tuple[str, ...]
    requirements: tuple[Callable[[], object], ...] = ()
    alone: bool = False

    def prepare(self) -> Path:
        """Install what the suite needs and return its Python. Raises ScriptError if an installation fails."""
        for require in self.requirements:
            require()
        return self.environment() / "bin/python"


@dataclass(frozen=True)
class Result:
    """The result of a suite. A skipped test counts as failed."""

    suite: Suite
    seconds: float
    run: PytestRun

    @property
    def successful(self) -> bool:
        """Whether at least one test ran and all passed."""
        return self.run.exit_code == 0 and self.run.passed > 0 and self.failures == 0

    @property
    def failures(self) -> int:
        """The number of failed tests, at least one if the suite itself failed."""
        counted = len(self.run.failed) + self.run.skipped
        return counted or int(self.run.exit_code != 0 or self.run.passed == 0)


_MOSQUITTO = partial(program, "mosquitto")
_SYSTEMD = tuple(partial(program, name) for name in ("systemctl", "systemd-analyze"))
_CLIENTS = tuple(
    partial(program, name) for name in ("curl", "ffmpeg", "chromium", "firefox", "mpv", "nginx", "caddy", "ustreamer")
)

# Most tests of the server wait for something, most of the time.
_FOUR_WORKERS = ("--numprocesses", "4", "--dist", "worksteal")
# A Home Assistant and a browser serve all tests of a worker.
_TWO_WORKERS = ("--numprocesses", "2", "--dist", "loadfile")
_SPEED = "tests/e2e/test_hot_path.py"
_SERVER_TESTS = ("tests/server", "tests/deb")

SUITES = (
    Suite("server", environments.tests, ("-m", "pytest", *_SERVER_TESTS, *_FOUR_WORKERS), (_MOSQUITTO,), alone=True),
    Suite("component", environments.component, ("-m", "pytest", "tests/component")),
    Suite("component-newer", environments.component_newer, ("tests/component/run_on_newer.py", "tests/component")),
    Suite(
        "e2e",
        environments.tests,
        ("-m", "pytest", "tests/e2e", "--ignore", _SPEED, *_TWO_WORKERS),
        (environments.home_assistant, environments.component, _MOSQUITTO, *_CLIENTS, playwright_environment),
        alone=True,
    ),
    Suite(
        "speed",
        environments.tests,
        ("-m", "pytest", _SPEED),
        (environments.component, *(partial(program, name) for name in ("mosquitto", "ustreamer"))),
        alone=True,
    ),
)


def main(argv: Sequence[str]) -> int:
    """Run the suites. The last line says how many tests passed and failed, where skipped ones count as failed."""
    suites, pytest_arguments = _parse(argv)
    try:
        # One after another, because they share interpreters and downloads.
        pythons = {suite: suite.prepare() for suite in suites}
    except ScriptError as error:
        print(f"scripts/test: {error}", file=sys.stderr)
        return 1

    def run(suite: Suite) -> Result:
        result = _run(suite, pythons[suite], pytest_arguments)
        _report(result)
        return result

    with ThreadPoolExecutor(_PARALLEL) as pool:
        results = list(pool.map(run, (suite for suite in suites if not suite.alone)))
    results += [run(suite) for suite in suites if suite.alone]
    passed = sum(result.run.passed for result in results)
    failed = sum(result.failures for result in results)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if all(result.successful for result in results) else 1


def _parse(argv: Sequence[str]) -> tuple[list[Suite], list[str]]:
    """Return the suites and the arguments for pytest, which follow a `--`."""
    ours = list(itertools.takewhile(lambda word: word != "--", argv))
    names = [suite.name for suite in SUITES]
    parser = argparse.ArgumentParser(prog="scripts/test", description="Run the tests. Needs no preparation.")
    parser.add_argument("suite", nargs="*", metavar="SUITE", help=f"one of {', '.join(names)} (default: all)")
    parser.usage = "scripts/test [-h] [SUITE ...] [-- PYTEST ARGUMENTS]"
    wanted = parser.parse_args(ours).suite
    if unknown := set(wanted) - set(names):
        parser.error(f"no suite {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    return [suite for suite in SUITES if not wanted or suite.name in wanted], list(argv[len(ours) + 1 :])


def _run(suite: Suite, python: Path, pytest_arguments: Sequence[str]) -> Result:
    began = time.monotonic()
    say(f"          suite {suite.name} ...")
    run = run_pytest([python, *suite.arguments, "-rfEs", *pytest_arguments])
    return Result(suite, time.monotonic() - began, run)


def _report(result: Result) -> None:
    if not result.successful:
        print(result.run.output, flush=True)
    line = f"{result.seconds:6.1f} s  suite {result.suite.name}: {result.run.passed} passed, {result.failures} failed"
    if result.run.skipped:
        line += f" ({result.run.skipped} of them skipped)"
    if result.run.passed == 0:
        line += " (no test passed)"
    if result.run.retried:
        line += f" ({len(result.run.retried)} only when run alone: {', '.join(result.run.retried)})"
    say(line)
