"""A hundred servers, one broker and one Home Assistant: how long discovery takes, also after restarts.

    python -m benchmarks.fleet [COUNT]

The servers are real processes with an idle emulated camera. Each has its own machine id.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from pi_mjpeg_server import cli
from pi_mjpeg_server.system import identity
from tooling import environments
from tooling.broker import make_broker
from tooling.errors import ScriptError
from tooling.hass_client import HassClient, new_password, signed_in, until
from tooling.home_assistant import HomeAssistant
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.mqtt_listener import Listener

TIMEOUT = 120.0


def start_servers(folder: Path, count: int, broker: int) -> list[int]:
    """Fork the servers from this process, which has imported their modules. Return their process ids."""
    processes = []
    for number, port in enumerate(free_ports(*[0] * count)):
        own = folder / f"server-{number}"
        own.mkdir()
        process = os.fork()
        if process:
            processes.append(process)
            continue
        log = os.open(own / "log", os.O_CREAT | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        (own / "machine-id").write_text(f"{number:032x}")
        # There is one machine id per machine, and these servers share a machine.
        identity._MACHINE_ID = own / "machine-id"  # noqa: SLF001  (there is no other way to run a hundred)
        arguments = [
            "run",
            "--no-auth",
            "--name",
            f"Pi {number}",
            "--source",
            "emulated",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        arguments += ["--state-dir", str(own), "--mqtt-host", "127.0.0.1", "--mqtt-port", str(broker)]
        os._exit(cli.main(arguments))
    return processes


def online(listener: Listener) -> int:
    """Return how many servers have a retained `online` at the broker."""
    topics = (topic.split("/") for topic, payload in list(listener.retained.items()) if payload == "online")
    return sum(len(levels) == 3 and levels[0] == "pi_mjpeg" for levels in topics)  # noqa: PLR2004  (base, node, availability)


async def available(client: HassClient) -> int:
    """Return how many cameras are available in Home Assistant."""
    states = await client.get("/api/states")
    return sum(each["entity_id"].startswith("camera.") and each["state"] != "unavailable" for each in states)


async def timed(what: str, ask: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `ask` is true and print how long it took."""
    began = time.monotonic()
    await until(ask, what, TIMEOUT)
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)


def processor_time(processes: list[int]) -> float:
    """Return the processor time of processes in seconds (proc(5))."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def accept_all(client: HassClient, count: int) -> None:
    """Confirm every discovered server."""

    async def waiting() -> list[str]:
        flows = await client.command("config_entries/flow/progress")
        return [flow["flow_id"] for flow in flows if flow["handler"] == "pi_mjpeg"]

    async def all_found() -> bool:
        return len(await waiting()) == count

    await timed(f"Home Assistant has discovered {count} servers after it joined the broker", all_found)
    began = time.monotonic()
    for flow in await waiting():
        # The first step shows the picture.
        for _ in range(2):
            result = await client.post(f"/api/config/config_entries/flow/{flow}", {})
        if result["type"] != "create_entry":
            raise ScriptError(f"a flow did not create an entry: {result['type']}")
    print(f"{time.monotonic() - began:6.1f} s  all are added, one after another", flush=True)


async def measure(folder: Path, count: int, broker: Program, port: int, servers: list[int]) -> None:
    """Measure discovery, idle load, and recovery after a restart of the broker and of Home Assistant."""
    await broker.wait_until(lambda: answers("127.0.0.1", port), 10)
    listener = Listener(port)

    async def all_online() -> bool:
        return online(listener) == count

    await timed(f"{count} servers are online at the broker after their start", all_online)
    hass = HomeAssistant(
        environments.home_assistant(), folder / "home-assistant", host="127.0.0.1", port=free_ports(0)[0]
    )
    await hass.start_and_wait()
    try:
        async with signed_in(hass.url, new_password()) as client:
            await client.finish_onboarding()
            await client.join_broker("127.0.0.1", port)
            await accept_all(client, count)

            async def all_available() -> bool:
                return await available(client) == count

            async def no_core_documents() -> bool:
                return not [topic for topic in listener.retained if topic.startswith("homeassistant/")]

            await timed("all cameras are available", all_available)
            await timed("all core discovery documents are cleared", no_core_documents)
            # The picture in each flow started the camera, which lingers.
            await asyncio.sleep(15)
            before = processor_time(servers)
            await asyncio.sleep(30)
            print(f"{(processor_time(servers) - before) / 30 / count:8.2%}  of one core per idle server")
            print(
                f"{hass.memory / 1e6:6.0f} MB memory of Home Assistant; {broker.memory / 1e6:.1f} MB of the broker",
                flush=True,
            )
            listener.close()
            broker.kill()
            await asyncio.sleep(2)
            broker.start()
            await broker.wait_until(lambda: answers("127.0.0.1", port), 10)
            listener = Listener(port)
            await timed("all servers are online after a restart of the broker, which lost its state", all_online)

            async def all_claimed() -> bool:
                return sum(topic.endswith("/claimed") for topic in list(listener.retained)) == count

            await timed("Home Assistant has claimed all servers again", all_claimed)
            await timed("all cameras are available again", all_available)
            documents = [
                topic for topic, text in listener.messages if text and topic.startswith("homeassistant/device")
            ]
            print(f"{len(documents):6d}    core discovery documents published meanwhile (each a second device card)")
            hass.stop()
            began = time.monotonic()
            await hass.start_and_wait()
            print(f"{time.monotonic() - began:6.1f} s  Home Assistant listens after its restart", flush=True)
            await timed("all cameras are available again", all_available)
    finally:
        hass.stop()
        listener.close()


def main() -> None:
    """Fork the servers before this process has threads, then measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    port = free_ports(0)[0]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        broker = make_broker(folder / "broker", port)
        broker.start()
        stack.callback(broker.stop)
        servers = start_servers(folder, count, port)
        try:
            asyncio.run(measure(folder, count, broker, port, servers))
        finally:
            for server in servers:
                os.kill(server, signal.SIGTERM)
            codes = [os.waitpid(server, 0)[1] for server in servers]
            print(json.dumps({"servers that stopped cleanly": codes.count(0)}))


if __name__ == "__main__":
    main()
