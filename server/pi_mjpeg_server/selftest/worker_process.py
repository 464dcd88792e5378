"""The worker as its parent sees it: asks it, ends it when it does not answer, and tells what it was doing."""

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from pi_mjpeg_server.selftest.report import Finding, Outcome
from pi_mjpeg_server.selftest.target import Found, Target
from pi_mjpeg_server.selftest.worker import DUMP_SIGNAL, LIST

_DUMP_WAIT = 0.5
_KILL_WAIT = 2.0
"""Seconds: a process in a driver that cannot be interrupted does not even end by SIGKILL."""
_MAX_LOG = 16_384  # bytes
_LOG_LINES = 60
"""Of these, the innermost function of a stack comes first."""
_FRAMES = 4
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<name>\S+)', re.MULTILINE)


class WorkerProcess:
    """Calls drivers in a process of their own, which is started when it is asked, and again after it was ended."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BinaryIO | None = None
        self._logged = 0
        # The process is to end with this one, but the kernel ends it with the thread that has started it (prctl(2)).
        self._starter = ThreadPoolExecutor(1, "worker-starter")

    def attached(self, seconds: float) -> tuple[Finding, list[Found] | None]:
        """Return the attached cameras, or None if they cannot be listed, and a finding about them."""
        finding, answer = self._ask({"step": LIST}, seconds)
        return finding, [Found(**each) for each in answer["found"]] if answer else None

    def check(self, step: str, target: Target, measured: float, seconds: float) -> Finding:
        """Return the finding of a step that measures for `measured` seconds, and has to answer within `seconds`."""
        return self._ask({"step": step, "target": target.to_json(), "seconds": measured}, seconds)[0]

    def close(self) -> None:
        """End the process for good. A check that is under way may still close its camera and set its controls back."""
        if (process := self._process) is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_WAIT)
        self._end()
        self._starter.shutdown(wait=False)

    def _end(self) -> None:
        """End the process at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_WAIT)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _ask(self, request: Mapping[str, Any], seconds: float) -> tuple[Finding, Mapping[str, Any]]:
        process = self._process or self._starter.submit(self._start).result()
        try:
            answer = self._exchange(process, json.dumps(request), seconds)
        except TimeoutError:
            text = f"no answer within {seconds:.0f} s, so its process was ended"
            return self._failed(f"{text}{self._doing(process)}"), {}
        if answer is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_WAIT)
            return self._failed(f"its process crashed: {_ending(process.returncode)}"), {}
        outcome = Outcome(answer["outcome"])
        log = self._new_log() if outcome is Outcome.FAILED else ()
        self._skip_log()
        return Finding(outcome, answer["text"], log), answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
        self._logged = 0
        # -P: like the command itself, it imports nothing from the folder in which it was called. A session of its own
        # keeps Ctrl-C to the parent, which still wants to know what was found.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pi_mjpeg_server.selftest.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], request: str, seconds: float) -> Mapping[str, Any] | None:
        """Return the answer, or None if the process has ended. Raises `TimeoutError`."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        deadline = time.monotonic() + seconds
        try:
            process.stdin.write(request.encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return None
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                data = os.read(process.stdout.fileno(), _MAX_LOG)
                if not data:
                    return None
                received += data
        answer: Mapping[str, Any] = json.loads(received)
        return answer

    def _doing(self, process: subprocess.Popen[bytes]) -> str:
        """Return where the process is, the innermost function first, as far as it tells."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(DUMP_SIGNAL)
        time.sleep(_DUMP_WAIT)
        _, _, stack = "\n".join(self._new_log()).rpartition("Current thread")
        frames = [f"{each['name']} ({Path(each['file']).name}:{each['line']})" for each in _FRAME.finditer(stack)]
        return f"; it was in {', called by '.join(frames[:_FRAMES])}" if frames else ""

    def _failed(self, text: str) -> Finding:
        finding = Finding(Outcome.FAILED, text, self._new_log()[-_LOG_LINES:])
        self._end()
        return finding

    def _new_log(self) -> tuple[str, ...]:
        """Return the last lines that were printed since the last finding."""
        if self._log is None:
            return ()
        size = os.fstat(self._log.fileno()).st_size
        begin = max(self._logged, size - _MAX_LOG)
        return tuple(os.pread(self._log.fileno(), size - begin, begin).decode(errors="replace").splitlines())

    def _skip_log(self) -> None:
        if self._log is not None:
            self._logged = os.fstat(self._log.fileno()).st_size


def _ending(code: int | None) -> str:
    if code is None:
        return "it does not end"
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
