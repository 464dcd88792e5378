"""A real broker, a client that listens to everything, and real server processes."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tooling.broker import make_broker
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a broker without persistence, shared by all tests."""
    port = free_ports(0)[0]
    program = make_broker(tmp_path_factory.mktemp("broker"), port)
    program.start()
    asyncio.run(program.wait_until(lambda: answers("127.0.0.1", port), 10))
    yield port
    program.stop()


@pytest.fixture
def listener(broker: int) -> Iterator[Listener]:
    """A listener at the shared broker, whose retained messages are cleared first."""
    cleaner = Listener(broker)
    time.sleep(0.1)
    for topic in list(cleaner.retained):
        cleaner.publish(topic, "", retain=True)
    cleaner.close()
    listener = Listener(broker)
    yield listener
    listener.close()


@pytest.fixture
def make_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeServer]:
    """A function that starts server processes, all with the same state folder."""
    programs: list[Program] = []

    def make(*arguments: str, mqtt_port: int | None = None) -> Program:
        port = mqtt_port if mqtt_port is not None else request.getfixturevalue("broker")
        command = [
            sys.executable,
            "-m",
            "pi_mjpeg_server",
            "run",
            "--no-auth",
            "--source",
            "emulated",
            "--size",
            "320x240",
        ]
        command += ["--host", "127.0.0.1", "--port", str(free_ports(0)[0]), "--state-dir", str(tmp_path / "state")]
        command += ["--mqtt-host", "127.0.0.1", "--mqtt-port", str(port), *arguments]
        program = Program("pi-mjpeg", command, tmp_path / f"server-{len(programs)}.log")
        program.start()
        programs.append(program)
        return program

    yield make
    for program in programs:
        program.stop()
