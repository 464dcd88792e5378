"""A bug in this server is logged as one, and not taken for an answer of the broker."""

import asyncio

import pytest
from pi_mjpeg_server.config import MqttSettings
from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient

from tests.server.support.mqtt_listener import Listener
from tests.server.support.scripted_camera import until


class FaultyListener:
    """A listener with a bug in each method, and a record of the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.reasons: list[str] = []
        self.client: MqttClient | None = None

    def connected(self) -> None:
        """Subscribe, and raise."""
        self.calls.append("connected")
        assert self.client is not None
        self.client.subscribe("faulty/#")
        raise ZeroDivisionError("a bug in connected")

    def disconnected(self, reason: str) -> None:
        """Record the reason."""
        self.reasons.append(reason)

    def received(self, message: Message) -> None:
        """Raise."""
        self.calls.append(message.topic)
        raise KeyError("a bug in received")


async def test_a_bug_in_the_listener_is_logged_once_with_its_traceback_and_the_connection_stays(
    broker: int, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = FaultyListener()
    faulty.client = MqttClient(MqttSettings(host="127.0.0.1", port=broker), "127.0.0.1", None, faulty)
    faulty.client.start()
    await until(lambda: faulty.calls == ["connected"], 10)
    sender = await asyncio.to_thread(Listener, broker)
    for number in range(20):
        await asyncio.to_thread(sender.publish, f"faulty/{number}", "x")
    await until(lambda: len(faulty.calls) == 21, 10)
    faulty.client.publish("faulty/answer", "x", retain=False)
    assert await faulty.client.flush(5)
    assert faulty.reasons == []
    assert "not MQTT" not in caplog.text
    assert caplog.text.count("ZeroDivisionError: a bug in connected") == 1
    assert caplog.text.count("KeyError: 'a bug in received'") == 1
    assert caplog.text.count("Traceback") == 2
    sender.close()
    await faulty.client.stop()
