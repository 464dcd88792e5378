"""A server that is gone is `offline` soon, however it ended, and a running one is `online`."""

from pi_mjpeg_server.mqtt.connection import KEEPALIVE

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, wait_for_announcement, wait_for_core_discovery
from tests.server.support.tcp_proxy import TcpProxy

BROKER_CHECK_INTERVAL = 5
"""Seconds between the times that Mosquitto checks its clients' keepalives."""


def test_a_killed_server_is_offline_within_two_seconds_and_online_again_after_a_start(
    make_server: MakeServer, listener: Listener
) -> None:
    server = make_server()
    availability = wait_for_announcement(listener)["availability_topic"]
    server.kill()
    assert listener.wait_for_retained(availability, "offline") < 2
    make_server()
    listener.wait_for_retained(availability, "online")


def test_a_clean_stop_publishes_offline_itself(make_server: MakeServer, listener: Listener) -> None:
    server = make_server()
    availability = wait_for_announcement(listener)["availability_topic"]
    server.stop()
    assert listener.wait_for_retained(availability, "offline") < 0.5
    assert listener.messages.count((availability, "offline")) == 1


def test_a_server_that_is_cut_off_is_offline_within_one_and_a_half_keepalives_and_online_when_it_is_back(
    make_server: MakeServer, listener: Listener, broker: int
) -> None:
    with TcpProxy(broker) as proxy:
        make_server(mqtt_port=proxy.port)
        availability = wait_for_announcement(listener)["availability_topic"]
        proxy.pause()
        assert listener.wait_for_retained(availability, "offline", 40) < 1.5 * KEEPALIVE + BROKER_CHECK_INTERVAL + 1
        proxy.resume()
        listener.wait_for_retained(availability, "online", 20)


def test_a_stop_waits_only_a_few_seconds_for_a_broker_that_does_not_answer(
    make_server: MakeServer, listener: Listener, broker: int
) -> None:
    with TcpProxy(broker) as proxy:
        server = make_server(mqtt_port=proxy.port)
        wait_for_announcement(listener)
        proxy.pause()
        server.stop(timeout=8)
        assert server.stopped_cleanly


def test_a_false_offline_is_corrected(make_server: MakeServer, listener: Listener) -> None:
    """A broker that notices late that an earlier connection was lost publishes its will over the new `online`."""
    make_server()
    announcement = wait_for_announcement(listener)
    availability = announcement["availability_topic"]
    wait_for_core_discovery(listener, announcement["id"])
    for wrong in ("offline", ""):
        listener.publish(availability, wrong, retain=True)
        listener.wait(lambda heard: heard.retained.get(availability) != "online")
        listener.wait_for_retained(availability, "online", 5)
