"""Measure the time from the exposure of the first picture with somebody in it to the state in Home Assistant.

    .cache/env-tests/bin/python -m benchmarks.motion.latency [--walks 40]

A real server plays pictures in which a person appears, again and again, and a real Home Assistant has its sensor: once
by the server's events alone, and once with a broker. The exposure is the time in the part of the stream, and the time
of the state is Home Assistant's own. The exit code is 1 if the 95th percentile is above the target.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

from aiohttp import ClientTimeout
from tooling.hass_client import HassClient, until
from tooling.network import LOOPBACK, free_ports
from tooling.server import Server, ServerSettings
from tooling.stack import StackSettings, running_stack

from tests.e2e.walks import FPS, QUIET_SECONDS, WALK_SECONDS, write_walk

_TARGET = 0.5  # seconds
_SENSOR = "binary_sensor.porch_motion"
_TIMEOUT = 3.0 * (QUIET_SECONDS + WALK_SECONDS)
_CONFIGURATION = """
[[camera]]
id = "porch"
name = "Porch"
source = "files"
device = "{folder}"
fps = {fps}
linger = 60

[camera.motion]
enabled = true
clear_after = 1
"""


async def _appearances(client: HassClient, server: Server, first: bytes) -> AsyncGenerator[float]:
    """Yield the time of exposure, in seconds since 1970, of each picture that is `first`."""
    url, headers = f"{server.url}/cameras/porch/stream", {"Authorization": f"Bearer {server.token()}"}
    async with client.session.get(url, headers=headers, timeout=ClientTimeout()) as response:
        while True:
            head = await response.content.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
            if await response.content.readexactly(int(fields[b"Content-Length"])) == first:
                yield float(fields[b"X-Timestamp"])


async def _turned_on(client: HassClient, before: float) -> float:
    """Return when the sensor turned on after `before`, in seconds since 1970."""

    async def reached() -> float | None:
        state = await client.get(f"/api/states/{_SENSOR}")
        changed = datetime.fromisoformat(state["last_changed"]).timestamp()
        return changed if state["state"] == "on" and changed > before else None

    return await until(reached, "the sensor turns on", _TIMEOUT)


async def _measure(client: HassClient, server: Server, first: bytes, walks: int) -> list[float]:
    """Return the seconds of each of so many walks."""
    entry_id = await client.add_server(server.url, server.token())
    try:
        delays = []
        async with contextlib.aclosing(_appearances(client, server, first)) as appearances:
            async for exposed in appearances:
                delays.append(await _turned_on(client, exposed) - exposed)
                if len(delays) > walks:
                    # At the first, the detector may have been new.
                    return delays[1:]
        return delays
    finally:
        await client.remove_server(entry_id)


async def _run(folder: Path, walks: int) -> int:
    write_walk(folder / "walk", start=0.4)
    first = sorted((folder / "walk").iterdir())[QUIET_SECONDS * FPS].read_bytes()
    configuration = folder / "pi-mjpeg.toml"
    configuration.write_text(_CONFIGURATION.format(folder=folder / "walk", fps=FPS))
    ports = free_ports(*itertools.repeat(0, 5))
    broker = (LOOPBACK, ports[2])
    stack_settings = StackSettings(folder / "stack", ports[0], ports[1], broker)
    worst = 0.0
    async with running_stack(stack_settings, Path(sys.prefix)) as stack:
        print("| from exposure to state | walks | median | 95th percentile | longest |\n|---|---|---|---|---|")
        for name, port, with_broker in (("events of the server", ports[3], None), ("MQTT", ports[4], broker)):
            flags = ("--config", str(configuration), "--zeroconf", "false")
            settings = ServerSettings(port=port, broker=with_broker, name="Porch Pi", source="files", flags=flags)
            server = Server(Path(sys.prefix), folder / name, settings)
            await server.start_and_wait()
            try:
                delays = sorted(await _measure(stack.client, server, first, walks))
            finally:
                server.stop()
            percentile = statistics.quantiles(delays, n=20)[-1]
            worst = max(worst, percentile)
            median = statistics.median(delays)
            print(f"| {name} | {len(delays)} | {median:.2f} s | {percentile:.2f} s | {delays[-1]:.2f} s |", flush=True)
    return int(worst > _TARGET)


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(Path(folder), arguments.walks))


if __name__ == "__main__":
    sys.exit(main())
