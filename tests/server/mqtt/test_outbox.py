"""The outbox keeps the latest message of each topic, in order, and is bounded."""

from pi_mjpeg_server.mqtt.outbox import Outbox


class Broker:
    """Acknowledges messages only when a test asks for it."""

    def __init__(self, receive_maximum: int) -> None:
        """Allow so many unacknowledged messages."""
        self.sent: list[tuple[str, str]] = []
        self.outbox = Outbox(self._send, receive_maximum)

    def acknowledge_all(self) -> None:
        """Acknowledge every message until the outbox is empty."""
        packet_id = 0
        while not self.outbox.empty:
            self.outbox.acknowledged(packet_id)
            packet_id += 1

    def _send(self, topic: str, payload: str, _retain: bool) -> int:  # noqa: FBT001  (the outbox's signature)
        self.sent.append((topic, payload))
        return len(self.sent) - 1


def test_only_the_latest_message_of_a_topic_waits_and_the_order_stays() -> None:
    broker = Broker(1)
    for topic, payload in (("a", "1"), ("b", "1"), ("c", "1"), ("b", "2"), ("b", "3")):
        broker.outbox.put(topic, payload, retain=True)
    broker.acknowledge_all()
    assert broker.sent == [("a", "1"), ("b", "3"), ("c", "1")]


def test_no_more_messages_are_in_flight_than_the_broker_allows() -> None:
    broker = Broker(5)
    for number in range(50):
        broker.outbox.put(str(number), "", retain=True)
    assert len(broker.sent) == 5
    broker.outbox.acknowledged(0)
    assert len(broker.sent) == 6


def test_results_do_not_replace_each_other_and_the_oldest_are_dropped_when_there_are_too_many() -> None:
    broker = Broker(1)
    broker.outbox.put("retained", "", retain=True)
    for number in range(100):
        broker.outbox.put("result", str(number), retain=False)
    broker.acknowledge_all()
    results = [payload for topic, payload in broker.sent if topic == "result"]
    assert results == [str(number) for number in range(36, 100)]


def test_a_cleared_outbox_sends_nothing_more() -> None:
    broker = Broker(1)
    broker.outbox.put("a", "", retain=True)
    broker.outbox.put("b", "", retain=True)
    broker.outbox.clear()
    broker.acknowledge_all()
    assert broker.sent == [("a", "")]
