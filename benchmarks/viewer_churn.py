"""Threads, descriptors and memory of the server while viewers connect and disconnect at random.

    python -m benchmarks.viewer_churn --minutes 10

There are two cameras: an emulated one, and one that always fails. Twelve lines of results are printed at regular
intervals. The exit code is 1 if a viewer waited more than five seconds for a frame.
"""

import argparse
import asyncio
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAX_WAIT = 5.0
VIEWERS = 6
_CONFIGURATION = """
[server]
host = "127.0.0.1"
port = {port}
state_dir = "{folder}/state"
[[camera]]
id = "good"
source = "emulated"
size = [320, 240]
fps = 15
linger = 0
[[camera]]
id = "bad"
source = "files"
device = "{folder}/nothing"
linger = 0
"""


class Viewers:
    """All viewers: their number of visits, and the longest wait for a frame in seconds."""

    def __init__(self, port: int) -> None:
        """The server listens on `port` of this machine."""
        self._port = port
        self.visits = 0
        self.longest_wait = 0.0

    async def churn(self, until: float, rng: random.Random) -> None:
        """Connect to a random camera, read some frames, disconnect, and repeat."""
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(
                f"GET /cameras/{rng.choice(('good', 'bad'))}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            for _ in range(rng.choice((0, 1, 1, 3, 20))):
                started = time.monotonic()
                await reader.readuntil(b"Content-Length: ")
                await reader.readuntil(b"--frame\r\n")
                self.longest_wait = max(self.longest_wait, time.monotonic() - started)
            writer.close()
            self.visits += 1
            await asyncio.sleep(rng.choice((0, 0.01, 0.1, 0.5)))


def resource_usage(pid: int) -> str:
    """Return the threads, descriptors, resident memory and processor time of a process as text."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    ticks = sum(map(int, (process / "stat").read_text().rpartition(") ")[2].split()[11:13]))
    descriptors = len(list((process / "fd").iterdir()))
    memory = int(status["VmRSS"].split()[0]) / 1024
    return f"{status['Threads']:>4} threads {descriptors:>4} descriptors {memory:6.1f} MB {ticks / 100:7.1f} s of CPU"


def wait_until_listening(port: int) -> None:
    """Wait up to 30 seconds until the server listens."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server does not listen")


async def measure(minutes: float, pid: int, port: int) -> int:
    """Run the viewers, and print the server's resource usage twelve times."""
    viewers = Viewers(port)
    until = time.monotonic() + minutes * 60
    tasks = [asyncio.create_task(viewers.churn(until, random.Random(n))) for n in range(VIEWERS)]  # noqa: S311
    for _ in range(12):
        await asyncio.sleep(minutes * 5)
        print(
            f"{resource_usage(pid)} {viewers.visits:>7} visits, longest wait {viewers.longest_wait:.2f} s", flush=True
        )
        if any(task.done() and task.exception() for task in tasks):
            break
    await asyncio.gather(*tasks)
    await asyncio.sleep(3)
    print(f"{resource_usage(pid)} at rest")
    await asyncio.sleep(10)
    print(f"{resource_usage(pid)} after ten more seconds at rest")
    return int(viewers.longest_wait > MAX_WAIT)


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    minutes: float = parser.parse_args().minutes
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        file = Path(folder) / "config.toml"
        file.write_text(_CONFIGURATION.format(port=port, folder=folder))
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "pi_mjpeg_server",
            "run",
            "--no-auth",
            "--config",
            file,
            "--log-level",
            "error",
        ]
        with subprocess.Popen(command) as server:
            try:
                wait_until_listening(port)
                return asyncio.run(measure(minutes, server.pid, port))
            finally:
                server.terminate()


if __name__ == "__main__":
    sys.exit(main())
