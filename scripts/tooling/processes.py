"""Run commands, and start and stop background programs."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tooling.errors import ScriptError

_TAIL = 4000  # characters at the end of a log that an error message shows


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return its output.

    Raises ScriptError with the end of the output if the command fails.
    """
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        line = " ".join(str(word) for word in command)
        output = (done.stdout + done.stderr).strip()[-_TAIL:]
        message = f"`{line}` failed with exit code {done.returncode}:\n{output}"
        raise ScriptError(message)
    return done.stdout


class Program:
    """A background program with its output in a log file.

    It has its own session, so Ctrl-C reaches only the script, which then stops the programs in order. If the script
    is killed, the kernel ends the program too (setpriv is part of util-linux, which Debian always has).
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """`env` is added to this process's environment. `start()` starts the program."""
        self.name = name
        self.log = log
        self._command = ["setpriv", "--pdeathsig", "TERM", "--", *(str(word) for word in command)]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._exit_code: int | None = None

    @property
    def running(self) -> bool:
        """Whether it is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id, or 0 before the start."""
        return 0 if self._process is None else self._process.pid

    @property
    def memory(self) -> int:
        """The resident memory in bytes while it runs (proc(5), VmRSS)."""
        if not self.pid:
            return 0
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+) kB", status)[1]) * 1024  # type: ignore[index]  # every process has this line

    @property
    def processor_time(self) -> float:
        """The processor time of all its threads in seconds, in the kernel's full resolution."""
        if self._process is None:
            return 0.0
        clock = ctypes.c_int()
        # clock_getcpuclockid(3), because /proc/PID/stat counts in hundredths of a second.
        ctypes.CDLL(None).clock_getcpuclockid(self._process.pid, ctypes.byref(clock))
        return time.clock_gettime(clock.value)

    @property
    def stopped_cleanly(self) -> bool:
        """Whether it ended before or after SIGTERM, without SIGKILL."""
        return self._exit_code is not None and self._exit_code >= 0

    def start(self) -> None:
        """Start it. Its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def wait_until(self, ready: Callable[[], bool], seconds: float, interval: float = 0.1) -> None:
        """Wait until `ready` returns true. Raises ScriptError on timeout, or if the program ends first."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise ScriptError(self.report("ended by itself"))
            if time.monotonic() > deadline:
                raise ScriptError(self.report(f"is not ready after {seconds:.0f} s"))
            await asyncio.sleep(interval)

    def report(self, what: str) -> str:
        """Return an error message that says what happened, with the end of the log."""
        tail = self.log.read_text(errors="replace")[-_TAIL:] if self.log.exists() else ""
        return f"{self.name} {what}. Its log, {self.log}, ends with:\n{tail}"

    def stop(self, timeout: float = 20.0) -> None:
        """Send SIGTERM, and SIGKILL after `timeout` seconds."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self._exit_code = self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Send SIGSTOP to the process group: it keeps its connections and does nothing."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT to the process group."""
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL to the process group, to simulate a power cut."""
        if self._process is not None and self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
