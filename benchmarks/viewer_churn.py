"""Viewers who come and go at random for minutes: what the server's threads, descriptors and memory do meanwhile.

    python benchmarks/viewer_churn.py --minutes 10

Two cameras: an emulated one that works, and one that fails all the time. It prints a line every so often and exits
with 1 when a viewer had to wait more than five seconds for a picture.
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
    """All viewers together: how often one came, and how long the longest wait for a picture was."""

    def __init__(self, port: int) -> None:
        """Watch the server on that port of this machine."""
        self._port = port
        self.visits = 0
        self.longest_wait = 0.0

    async def come_and_go(self, until: float, chance: random.Random) -> None:
        """Watch either camera for a moment, leave, and come again."""
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(
                f"GET /cameras/{chance.choice(('good', 'bad'))}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            for _ in range(chance.choice((0, 1, 1, 3, 20))):
                began = time.monotonic()
                await reader.readuntil(b"Content-Length: ")
                await reader.readuntil(b"--frame\r\n")
                self.longest_wait = max(self.longest_wait, time.monotonic() - began)
            writer.close()
            self.visits += 1
            await asyncio.sleep(chance.choice((0, 0.01, 0.1, 0.5)))


def used(pid: int) -> str:
    """Return what a process uses: threads, descriptors, resident memory, processor time."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    ticks = sum(map(int, (process / "stat").read_text().rpartition(") ")[2].split()[11:13]))
    descriptors = len(list((process / "fd").iterdir()))
    memory = int(status["VmRSS"].split()[0]) / 1024
    return f"{status['Threads']:>4} threads {descriptors:>4} descriptors {memory:6.1f} MB {ticks / 100:7.1f} s of CPU"


def wait_until_up(port: int) -> None:
    """Wait until the server answers, 30 seconds at the most."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server does not answer")


async def measure(minutes: float, pid: int, port: int) -> int:
    """Let viewers come and go, and print what the server uses twelve times."""
    viewers = Viewers(port)
    until = time.monotonic() + minutes * 60
    tasks = [asyncio.create_task(viewers.come_and_go(until, random.Random(n))) for n in range(VIEWERS)]  # noqa: S311
    for _ in range(12):
        await asyncio.sleep(minutes * 5)
        print(f"{used(pid)} {viewers.visits:>7} visits, longest wait {viewers.longest_wait:.2f} s", flush=True)
        if any(task.done() and task.exception() for task in tasks):
            break
    await asyncio.gather(*tasks)
    await asyncio.sleep(3)
    print(f"{used(pid)} at rest")
    await asyncio.sleep(10)
    print(f"{used(pid)} after ten seconds more at rest")
    return int(viewers.longest_wait > MAX_WAIT)


def main() -> int:
    """Run it."""
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
                wait_until_up(port)
                return asyncio.run(measure(minutes, server.pid, port))
            finally:
                server.terminate()


if __name__ == "__main__":
    sys.exit(main())
