"""A broker that restarts, and may have lost its retained messages, gets every message again and none twice."""

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
from tests.server.support.mqtt_server import MakeServer, wait_for_announcement, wait_for_core_discovery

RESTARTS = 10
ONLINE_TIMEOUT = 5.0
MEGABYTE = 1024 * 1024


def start(broker: Program, port: int) -> Listener:
    broker.start()
    asyncio.run(broker.wait_until(lambda: answers("127.0.0.1", port), 10))
    return Listener(port)


def connects(broker: Program) -> int:
    """Return how often a server has connected to the broker."""
    return broker.log.read_text().count(" as pi_mjpeg_")


def has_more_connects(broker: Program, before: int, _listener: Listener) -> bool:
    return connects(broker) > before


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "forgetful"])
def test_ten_restarts_at_any_moment_leave_all_topics_complete_and_published_once(
    make_server: MakeServer, tmp_path: Path, *, persistent: bool
) -> None:
    port = free_ports(0)[0]
    persistence = ["persistence true", f"persistence_location {tmp_path}/"] if persistent else []
    broker = make_broker(tmp_path / "broker", port, ["allow_anonymous true", *persistence])
    listener = start(broker, port)
    server = make_server(mqtt_port=port)
    announcement = wait_for_announcement(listener)
    camera = announcement["cameras"][0]
    wait_for_core_discovery(listener, announcement["id"])
    listener.publish(camera["command_topic"], '{"command": "snapshot"}')
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    unretained = {camera["command_topic"], camera["command_topic"].replace("/command", "/result")}
    complete = set(listener.retained) - unretained
    assert len(complete) == 8
    dice = random.Random(persistent)  # noqa: S311  (the same moments each time)
    memory = 0
    for number in range(RESTARTS):
        time.sleep(dice.uniform(0, 0.7))
        listener.close()
        # Mosquitto saves its retained messages only when it is stopped in order.
        broker.stop() if persistent or dice.random() < 0.5 else broker.kill()
        time.sleep(dice.uniform(0, 1.2))
        before = connects(broker)
        listener = start(broker, port)
        # A persistent broker still has the `online` from before.
        waited = listener.wait(partial(has_more_connects, broker, before), ONLINE_TIMEOUT)
        listener.wait_for_retained(announcement["availability_topic"], "online", ONLINE_TIMEOUT - waited)
        listener.wait(lambda heard: set(heard.retained) == complete)
        twice = [topic for (topic, _), count in Counter(listener.live_messages).items() if count > 1]
        assert twice == []
        if number == 2:
            memory = server.memory
    assert server.memory < memory + 4 * MEGABYTE
    assert json.loads(listener.retained[camera["snapshot_topic"]])["trigger"] == "mqtt"
    assert "Traceback" not in server.log.read_text()
    broker.stop()
    listener.close()
