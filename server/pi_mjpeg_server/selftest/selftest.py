"""The whole test: the machine, the installation, and each camera."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pi_mjpeg_server.config import Configuration
from pi_mjpeg_server.selftest import installation, machine
from pi_mjpeg_server.selftest.broker import broker
from pi_mjpeg_server.selftest.redaction import make_redactor
from pi_mjpeg_server.selftest.report import Finding, Outcome, Report, absent, failed, skipped
from pi_mjpeg_server.selftest.runner import Runner
from pi_mjpeg_server.selftest.target import Target, targets
from pi_mjpeg_server.selftest.worker_process import WorkerProcess

_QUICK = 15.0
"""Seconds for a check that calls no camera."""
_BUSY = (
    "pi-mjpeg runs and holds the cameras: stop it with `sudo systemctl stop pi-mjpeg`, run this again, "
    "and start it with `sudo systemctl start pi-mjpeg`"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One check of a camera, and the seconds in which it has to answer, without those in which it measures."""

    name: str
    seconds: float
    measurements: int = 0


STEPS = (
    Step("first picture", 60),
    Step("rate", 30, 1),
    Step("quality", 40),
    Step("starts and stops", 60),
    Step("exposure", 30),
    Step("focus", 30),
    Step("autofocus", 40),
    Step("full-size still", 40),
    Step("stream", 40, 3),
)
"""They follow each other in a process of their own. Importing Picamera2 on a Pi Zero 2 is part of the first."""

LIST_TIMEOUT = 40.0

_MACHINE: dict[str, Callable[[], Finding]] = {
    "board": machine.board,
    "system": machine.system,
    "memory": machine.memory,
    "contiguous memory": machine.contiguous_memory,
    "config.txt": machine.boot_configuration,
    "libraries": machine.libraries,
    "temperature": machine.temperature,
    "throttling": machine.throttling,
}

_INSTALLATION = ("service", "groups", "devices", "state folder", "port", "MQTT broker")
CHECKS = (*_MACHINE, *_INSTALLATION, "attached")
"""The names of the checks that call no camera."""


def selftest(configuration: Configuration, seconds: float, steps: Sequence[Step] = STEPS) -> tuple[str, bool]:
    """Return the report, and whether nothing failed. Each measurement takes `seconds`. Ctrl-C ends it early."""
    began = time.monotonic()
    report = Report(make_redactor(configuration))
    try:
        _check_all(Runner(report), configuration, seconds, steps)
    except KeyboardInterrupt:
        report.interrupted = True
    return report.markdown(datetime.now(UTC).date().isoformat(), time.monotonic() - began), report.successful


def _check_all(runner: Runner, configuration: Configuration, seconds: float, steps: Sequence[Step]) -> None:
    runner.begin("Machine")
    for name, check in _MACHINE.items():
        runner.run(name, check, _QUICK)
    runner.begin("Installation")
    is_running = _check_installation(runner, configuration)
    runner.begin("Cameras")
    if is_running:
        runner.add("cameras", failed(_BUSY))
        return
    with closing(WorkerProcess()) as worker:
        chosen = _find_cameras(runner, worker, configuration)
        for number, target in enumerate(chosen, 1):
            runner.begin(f"Camera {number}: {target.source}")
            _check_camera(runner, worker, target, seconds, steps)
    runner.begin("Afterwards")
    for name in ("temperature", "throttling", "memory"):
        runner.run(name, _MACHINE[name], _QUICK)


def _check_installation(runner: Runner, configuration: Configuration) -> bool:
    """Return whether a server of this project runs."""
    running = []

    def noting(check: Callable[[], tuple[Finding, bool]]) -> Finding:
        finding, is_running = check()
        running.append(is_running)
        return finding

    checks: Sequence[Callable[[], Finding]] = (
        partial(noting, installation.service),
        installation.groups,
        installation.devices,
        partial(installation.state_folder, configuration.server),
        partial(noting, partial(installation.port, configuration.server)),
        partial(broker, configuration),
    )
    for name, check in zip(_INSTALLATION, checks, strict=True):
        runner.run(name, check, 2 * _QUICK)
    return any(running)


def _find_cameras(runner: Runner, worker: WorkerProcess, configuration: Configuration) -> Sequence[Target]:
    """Return the cameras to test. That none is attached is no failure where others are configured."""
    chosen: list[Target] = []

    def find() -> Finding:
        finding, found = worker.attached(LIST_TIMEOUT)
        chosen.extend(targets(configuration, found or []))
        return absent(finding.text) if chosen and found == [] else finding

    runner.run(CHECKS[-1], find, LIST_TIMEOUT + _QUICK)
    return chosen


def _check_camera(runner: Runner, worker: WorkerProcess, target: Target, seconds: float, steps: Sequence[Step]) -> None:
    for place, step in enumerate(steps):
        limit = step.seconds + 2 * step.measurements * seconds
        check = partial(worker.check, step.name, target, seconds, limit)
        # The worker keeps the deadline itself, and takes a moment to be ended.
        finding = runner.run(step.name, check, limit + _QUICK)
        if place == 0 and finding.outcome is Outcome.FAILED:
            for left in steps[1:]:
                runner.add(left.name, skipped("there is no picture"))
            return
