"""A server that is gone is `offline` soon, however it went, and one that is there says so again."""

from pi_mjpeg_server.mqtt.connection import KEEPALIVE

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, announced, core_document
from tests.server.support.tcp_proxy import Cable

BROKER_LOOKS_EVERY = 5
"""Seconds; Mosquitto compares its clients' keepalives with the clock no more often."""


def test_a_killed_server_is_offline_within_two_seconds_and_online_again_after_a_start(
    make_server: MakeServer, listener: Listener
) -> None:
    server = make_server()
    availability = announced(listener)["availability_topic"]
    server.kill()
    assert listener.wait_for(availability, "offline") < 2
    make_server()
    listener.wait_for(availability, "online")


def test_a_clean_stop_says_offline_itself(make_server: MakeServer, listener: Listener) -> None:
    server = make_server()
    availability = announced(listener)["availability_topic"]
    server.stop()
    assert listener.wait_for(availability, "offline") < 0.5
    assert listener.said.count((availability, "offline")) == 1


def test_a_cut_cable_is_offline_within_one_and_a_half_keepalives_and_online_when_it_is_mended(
    make_server: MakeServer, listener: Listener, broker: int
) -> None:
    with Cable(broker) as cable:
        make_server(mqtt_port=cable.port)
        availability = announced(listener)["availability_topic"]
        cable.cut()
        assert listener.wait_for(availability, "offline", 40) < 1.5 * KEEPALIVE + BROKER_LOOKS_EVERY + 1
        cable.mend()
        listener.wait_for(availability, "online", 20)


def test_a_stop_waits_only_a_few_seconds_for_a_broker_that_says_nothing(
    make_server: MakeServer, listener: Listener, broker: int
) -> None:
    with Cable(broker) as cable:
        server = make_server(mqtt_port=cable.port)
        announced(listener)
        cable.cut()
        server.stop(timeout=8)
        assert server.stopped_cleanly


def test_a_false_offline_is_put_right(make_server: MakeServer, listener: Listener) -> None:
    """A broker that notices late that an earlier connection was cut says its last will over the new one's `online`."""
    make_server()
    announcement = announced(listener)
    availability = announcement["availability_topic"]
    core_document(listener, announcement["id"])
    for wrong in ("offline", ""):
        listener.say(availability, wrong, retain=True)
        listener.wait(lambda heard: heard.retained.get(availability) != "online")
        listener.wait_for(availability, "online", 5)
