"""A broker that restarts, and may have lost all that it held, is told everything again and nothing twice."""

import asyncio
import json
import random
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from tooling.broker import make_broker
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, announced, core_document

TIMES = 10
ONLINE_WITHIN = 5.0
MEGABYTE = 1024 * 1024


def start(broker: Program, port: int) -> Listener:
    broker.start()
    asyncio.run(broker.wait_until(lambda: answers("127.0.0.1", port), 10))
    return Listener(port)


def arrivals(broker: Program) -> int:
    """Return how often the broker has welcomed a server."""
    return broker.log.read_text().count(" as pi_mjpeg_")


def has_more_arrivals(broker: Program, before: int, _listener: Listener) -> bool:
    return arrivals(broker) > before


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "forgetful"])
def test_ten_restarts_at_any_moment_leave_everything_complete_and_said_once(
    make_server: MakeServer, tmp_path: Path, *, persistent: bool
) -> None:
    port = free_ports(0)[0]
    kept = ["persistence true", f"persistence_location {tmp_path}/"] if persistent else []
    broker = make_broker(tmp_path / "broker", port, ["allow_anonymous true", *kept])
    listener = start(broker, port)
    server = make_server(mqtt_port=port)
    announcement = announced(listener)
    camera = announcement["cameras"][0]
    core_document(listener, announcement["id"])
    listener.say(camera["command_topic"], '{"command": "snapshot"}')
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    passing = {camera["command_topic"], camera["command_topic"].replace("/command", "/result")}
    complete = set(listener.retained) - passing
    assert len(complete) == 7
    dice = random.Random(persistent)  # noqa: S311  (the same moments each time)
    memory = 0
    for number in range(TIMES):
        time.sleep(dice.uniform(0, 0.7))
        listener.close()
        # Only an orderly end writes down what is kept.
        broker.stop() if persistent or dice.random() < 0.5 else broker.kill()
        time.sleep(dice.uniform(0, 1.2))
        came = arrivals(broker)
        listener = start(broker, port)
        # A persistent broker still holds the `online` of before.
        took = listener.wait(partial(has_more_arrivals, broker, came), ONLINE_WITHIN)
        listener.wait_for(announcement["availability_topic"], "online", ONLINE_WITHIN - took)
        listener.wait(lambda heard: set(heard.retained) == complete)
        twice = [topic for (topic, _), count in Counter(listener.live).items() if count > 1]
        assert twice == []
        if number == 2:
            memory = server.memory
    assert server.memory < memory + 4 * MEGABYTE
    assert json.loads(listener.retained[camera["snapshot_topic"]])["trigger"] == "mqtt"
    assert "Traceback" not in server.log.read_text()
    broker.stop()
    listener.close()
