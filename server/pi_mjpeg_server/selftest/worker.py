"""The process in which drivers are called: one that hangs or crashes costs only its check.

It reads a request a line from standard input, and writes an answer a line to standard output, each a JSON object. What
drivers print goes to standard error. It ends with its parent.
"""

import ctypes
import faulthandler
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from pi_mjpeg_server.concurrency.memory import limit_arenas
from pi_mjpeg_server.selftest.report import Finding, failed
from pi_mjpeg_server.selftest.target import Target

LIST = "list"
DUMP_SIGNAL = signal.SIGUSR1
"""On this signal it writes to standard error what each of its threads does."""

_PR_SET_PDEATHSIG = 1  # prctl(2)

_LOGGER = logging.getLogger(__name__)


def main() -> None:
    """Answer requests until standard input ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGTERM, _exit)
    faulthandler.enable()
    faulthandler.register(DUMP_SIGNAL, all_threads=True)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    limit_arenas()
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


def _exit(number: int, _frame: object) -> NoReturn:
    """End the process with the cleaning up that a check does."""
    sys.exit(128 + number)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    from pi_mjpeg_server.sources import SourceError  # noqa: PLC0415  (the rest is imported within the deadline, too)

    found: list[dict[str, str]] = []
    try:
        if request["step"] == LIST:
            from pi_mjpeg_server.selftest.listing import attached  # noqa: PLC0415

            finding, cameras = attached()
            found = [asdict(camera) for camera in cameras]
        else:
            finding = _steps()[request["step"]](Target.from_json(request["target"]), request["seconds"])
    except SourceError as error:
        finding = failed(str(error))
    except Exception as error:
        _LOGGER.exception("the check %s failed", request["step"])
        finding = failed(f"{type(error).__name__}: {error}")
    return {"outcome": finding.outcome, "text": finding.text, "found": found}


def _steps() -> Mapping[str, Callable[[Target, float], Finding]]:
    from pi_mjpeg_server.selftest import autofocus_step, camera_steps, control_steps, still_step, stream_step  # noqa: PLC0415

    return {
        "first picture": camera_steps.first_picture,
        "rate": camera_steps.rate,
        "quality": camera_steps.quality,
        "starts and stops": camera_steps.starts_and_stops,
        "exposure": control_steps.exposure,
        "focus": control_steps.focus,
        "autofocus": autofocus_step.autofocus,
        "full-size still": still_step.full_still,
        "stream": stream_step.stream,
    }


if __name__ == "__main__":
    main()
