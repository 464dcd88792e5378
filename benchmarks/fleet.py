"""A hundred servers, one broker and one Home Assistant: how long until all is found, and found again after restarts.

Run it in the tests' environment, `PYTHONPATH=scripts:. .cache/env-tests/bin/python benchmarks/fleet.py [COUNT]`.
The servers are real processes with the emulated camera, idle; each is told a machine id of its own.
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
from workbench import environments
from workbench.broker import make_broker
from workbench.errors import ScriptError
from workbench.hass_client import HassClient, signed_in, until
from workbench.home_assistant import HomeAssistant
from workbench.network import answers, free_ports
from workbench.processes import Program

from tests.server.support.mqtt_listener import Listener

PATIENCE = 120.0


def start_servers(folder: Path, count: int, broker: int) -> list[int]:
    """Fork servers from this process, which has read all their modules already; return their process ids."""
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
        # A machine has one; these share a machine.
        identity._MACHINE_ID = own / "machine-id"  # noqa: SLF001  (there is no other way to have a hundred)
        words = [
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
        words += ["--state-dir", str(own), "--mqtt-host", "127.0.0.1", "--mqtt-port", str(broker)]
        os._exit(cli.main(words))
    return processes


def online(listener: Listener) -> int:
    """Count the servers that the broker calls online."""
    words = (topic.split("/") for topic, payload in list(listener.retained.items()) if payload == "online")
    return sum(len(levels) == 3 and levels[0] == "pi_mjpeg" for levels in words)  # noqa: PLR2004  (base, node, word)


async def available(client: HassClient) -> int:
    """Count the cameras that Home Assistant calls available."""
    states = await client.get("/api/states")
    return sum(each["entity_id"].startswith("camera.") and each["state"] != "unavailable" for each in states)


async def timed(what: str, ask: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something and print how long it took."""
    began = time.monotonic()
    await until(ask, what, PATIENCE)
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)


def processor_time(processes: list[int]) -> float:
    """Return the processor time of processes in seconds (proc(5))."""
    ticks = 0
    for process in processes:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def accept_all(client: HassClient, count: int) -> None:
    """Confirm every server that discovery finds."""

    async def waiting() -> list[str]:
        flows = await client.command("config_entries/flow/progress")
        return [flow["flow_id"] for flow in flows if flow["handler"] == "pi_mjpeg"]

    async def all_found() -> bool:
        return len(await waiting()) == count

    await timed(f"Home Assistant, joined to the broker, has found {count}", all_found)
    began = time.monotonic()
    for flow in await waiting():
        # The first answer shows the picture.
        for _ in range(2):
            result = await client.post(f"/api/config/config_entries/flow/{flow}", {})
        if result["type"] != "create_entry":
            raise ScriptError(f"a flow does not end with an entry: {result['type']}")
    print(f"{time.monotonic() - began:6.1f} s  all are accepted, one after the other", flush=True)


async def measure(folder: Path, count: int, broker: Program, port: int, servers: list[int]) -> None:
    """Go through the whole story."""
    await broker.wait_until(lambda: answers("127.0.0.1", port), 10)
    listener = Listener(port)

    async def all_online() -> bool:
        return online(listener) == count

    await timed(f"{count} servers, from their start, are online at the broker", all_online)
    hass = HomeAssistant(
        environments.home_assistant(), folder / "home-assistant", host="127.0.0.1", port=free_ports(0)[0]
    )
    await hass.start_and_wait()
    try:
        async with signed_in(hass.url) as client:
            await client.finish_onboarding()
            await client.join_broker("127.0.0.1", port)
            await accept_all(client, count)

            async def all_available() -> bool:
                return await available(client) == count

            async def no_core_documents() -> bool:
                return not [topic for topic in listener.retained if topic.startswith("homeassistant/")]

            await timed("all cameras are available", all_available)
            await timed("all core documents are taken back", no_core_documents)
            # The picture in each flow had the camera run, which lingers.
            await asyncio.sleep(15)
            before = processor_time(servers)
            await asyncio.sleep(30)
            print(f"{(processor_time(servers) - before) / 30 / count:8.2%}  of a core, for each idle server")
            print(f"{hass.memory / 1e6:6.0f} MB  Home Assistant; {broker.memory / 1e6:.1f} MB the broker", flush=True)
            listener.close()
            broker.kill()
            await asyncio.sleep(2)
            broker.start()
            await broker.wait_until(lambda: answers("127.0.0.1", port), 10)
            listener = Listener(port)
            await timed("after a restart of the broker, which lost all, all servers are online", all_online)

            async def all_claimed() -> bool:
                return sum(topic.endswith("/claimed") for topic in list(listener.retained)) == count

            await timed("and Home Assistant, which comes back by itself, has claimed all again", all_claimed)
            await timed("and all cameras are available", all_available)
            documents = [
                topic for topic, text in listener.messages if text and topic.startswith("homeassistant/device")
            ]
            print(f"{len(documents):6d}    core documents were said meanwhile (each would be a second device card)")
            hass.stop()
            began = time.monotonic()
            await hass.start_and_wait()
            print(f"{time.monotonic() - began:6.1f} s  Home Assistant, restarted, listens", flush=True)
            await timed("and all cameras are available", all_available)
    finally:
        hass.stop()
        listener.close()


def main() -> None:
    """Start the servers before there is a thread, then measure."""
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
            print(json.dumps({"servers that ended well": codes.count(0)}))


if __name__ == "__main__":
    main()
