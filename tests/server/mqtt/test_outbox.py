"""What waits for the broker is the latest of each topic, in order, and bounded."""

from pi_mjpeg_server.mqtt.outbox import Outbox


class Broker:
    """Takes messages, and says so only when it is asked to."""

    def __init__(self, most_under_way: int) -> None:
        """Let that many messages be on their way."""
        self.sent: list[tuple[str, str]] = []
        self.outbox = Outbox(self._send, most_under_way)

    def take_all(self) -> None:
        """Take whatever comes."""
        number = 0
        while not self.outbox.empty:
            self.outbox.taken(number)
            number += 1

    def _send(self, topic: str, payload: str, _retain: bool) -> int:  # noqa: FBT001  (the outbox's signature)
        self.sent.append((topic, payload))
        return len(self.sent) - 1


def test_only_the_latest_of_a_topic_waits_and_the_order_stays() -> None:
    broker = Broker(1)
    for topic, payload in (("a", "1"), ("b", "1"), ("c", "1"), ("b", "2"), ("b", "3")):
        broker.outbox.put(topic, payload, retain=True)
    broker.take_all()
    assert broker.sent == [("a", "1"), ("b", "3"), ("c", "1")]


def test_no_more_is_on_its_way_than_the_broker_allows() -> None:
    broker = Broker(5)
    for number in range(50):
        broker.outbox.put(str(number), "", retain=True)
    assert len(broker.sent) == 5
    broker.outbox.taken(0)
    assert len(broker.sent) == 6


def test_answers_do_not_replace_each_other_and_the_oldest_go_when_there_are_too_many() -> None:
    broker = Broker(1)
    broker.outbox.put("kept", "", retain=True)
    for number in range(100):
        broker.outbox.put("answer", str(number), retain=False)
    broker.take_all()
    answers = [payload for topic, payload in broker.sent if topic == "answer"]
    assert answers == [str(number) for number in range(36, 100)]


def test_what_is_dropped_is_not_said() -> None:
    broker = Broker(1)
    broker.outbox.put("a", "", retain=True)
    broker.outbox.put("b", "", retain=True)
    broker.outbox.drop()
    broker.take_all()
    assert broker.sent == [("a", "")]
