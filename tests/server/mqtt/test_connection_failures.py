"""A failing connection to the broker costs one line in the log, and never delays a picture."""

import asyncio
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pi_mjpeg_server.system.identity import identify
from tooling.broker import make_broker
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.brokers import (
    PASSWORD,
    USER,
    HttpServer,
    Mqtt311Broker,
    certificates,
    password_file,
    tls_settings,
)
from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, wait_for_announcement, wait_for_core_discovery
from tests.server.support.tcp_proxy import TcpProxy


@dataclass
class BrokerFailure:
    """A broker to which the server cannot connect: its port, the server's flags, and the reason in the log."""

    reason: str
    port: int
    flags: list[str] = field(default_factory=list)


class BrokerFailures:
    """Makes the failures, one for each test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Write files to `folder`, and register what has to be closed with `stack`."""
        self._folder = folder
        self._stack = stack

    def wrong_password(self) -> BrokerFailure:
        """A password that the broker does not know."""
        (wrong := self._folder / "wrong").write_text("battery staple\n")
        port = self._broker([f"password_file {password_file(self._folder)}"])
        flags = ["--mqtt-username", USER, "--mqtt-password-file", str(wrong)]
        return BrokerFailure("it refuses the connection: Not authorized; check username and password_file", port, flags)

    def wrong_authority(self) -> BrokerFailure:
        """A certificate by an authority that the server does not trust."""
        files = certificates(self._folder / "pki")
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(files.other_authority)]
        return BrokerFailure("its certificate is not accepted", self._broker(tls_settings(files)), flags)

    def expired_certificate(self) -> BrokerFailure:
        """A certificate that has expired."""
        files = certificates(self._folder / "pki", expired=True)
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(files.authority)]
        reason = (
            "its certificate is not accepted: certificate has expired; check ca_file, host and this machine's clock"
        )
        return BrokerFailure(reason, self._broker(tls_settings(files)), flags)

    def certificate_of_another(self) -> BrokerFailure:
        """A valid certificate for another host name."""
        files = certificates(self._folder / "pki", name="broker.example")
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(files.authority)]
        return BrokerFailure("certificate is not valid for '127.0.0.1'", self._broker(tls_settings(files)), flags)

    def no_client_certificate(self) -> BrokerFailure:
        """A broker that requires a client certificate."""
        files = certificates(self._folder / "pki")
        port = self._broker([*tls_settings(files), "require_certificate true"])
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(files.authority)]
        return BrokerFailure(
            "it closed the connection without an answer; it may require TLS (or no TLS), or a client certificate",
            port,
            flags,
        )

    def tls_where_there_is_none(self) -> BrokerFailure:
        """A broker without TLS."""
        # Mosquitto closes a connection whose bytes are not MQTT.
        return BrokerFailure(
            "it closed the connection without an answer", self._broker(["allow_anonymous true"]), ["--mqtt-tls", "true"]
        )

    def closed_port(self) -> BrokerFailure:
        """A port on which nothing listens."""
        return BrokerFailure("nothing listens there", free_ports(0)[0])

    def unreachable(self) -> BrokerFailure:
        """A machine that does not answer."""
        # With a full backlog the kernel does not answer further connections, as if the machine were off.
        full = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = full.getsockname()[1]
        for _ in range(2):
            waiting = self._stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.1", port))
        return BrokerFailure("it does not answer", port)

    def silent(self) -> BrokerFailure:
        """A broker that accepts the connection and does not answer."""
        proxy = self._stack.enter_context(TcpProxy(free_ports(0)[0]))
        proxy.pause()
        return BrokerFailure("it accepts the connection but does not answer", proxy.port)

    def no_broker(self) -> BrokerFailure:
        """A web server instead of a broker."""
        return BrokerFailure("MQTT", self._stack.enter_context(HttpServer(0)).port)

    def _broker(self, settings: list[str]) -> int:
        port = free_ports(0)[0]
        broker = make_broker(self._folder / "broker", port, settings)
        self._stack.callback(broker.stop)
        start(broker, port)
        return port


def start(broker: Program, port: int) -> None:
    broker.start()
    asyncio.run(broker.wait_until(lambda: answers("127.0.0.1", port), 10))


@pytest.fixture
def failures(tmp_path: Path) -> Iterator[BrokerFailures]:
    with ExitStack() as stack:
        yield BrokerFailures(tmp_path, stack)


@pytest.mark.parametrize(
    "make_failure",
    [
        BrokerFailures.wrong_password,
        BrokerFailures.wrong_authority,
        BrokerFailures.expired_certificate,
        BrokerFailures.certificate_of_another,
        BrokerFailures.no_client_certificate,
        BrokerFailures.tls_where_there_is_none,
        BrokerFailures.closed_port,
        BrokerFailures.unreachable,
        BrokerFailures.silent,
        BrokerFailures.no_broker,
    ],
)
def test_a_failure_is_logged_once_with_its_reason_and_the_server_streams_all_the_while(
    make_server: MakeServer, failures: BrokerFailures, make_failure: Callable[[BrokerFailures], BrokerFailure]
) -> None:
    failure = make_failure(failures)
    port = free_ports(0)[0]
    server = make_server("--port", str(port), *failure.flags, mqtt_port=failure.port)
    asyncio.run(server.wait_until(lambda: answers("127.0.0.1", port), 10))
    # Each round reads about two hundred kilobytes of pictures, in time, whatever the broker does meanwhile.
    logged = False
    deadline = time.monotonic() + 30
    while not logged:
        assert time.monotonic() < deadline, server.log.read_text()
        start_time = time.monotonic()
        assert len(set(pictures(port, 20))) > 5
        assert time.monotonic() - start_time < 10
        logged = failure.reason in server.log.read_text()
    server.stop(timeout=8)
    log = server.log.read_text()
    assert server.stopped_cleanly
    # Another server on this machine makes mDNS try again too.
    assert len(re.findall(r"MQTT: .*; trying again", log)) == 1, log
    assert log.count(failure.reason) == 1, log
    assert "Traceback" not in log
    assert PASSWORD not in log


def pictures(port: int, count: int) -> list[bytes]:
    """Return the first `count` parts of a server's stream, or a few more."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stream", timeout=10) as response:
        read = b""
        while read.count(b"--frame") < count:
            read += response.read1(65536)
    return read.split(b"--frame")


def test_a_corrected_password_is_used_without_a_restart(make_server: MakeServer, tmp_path: Path) -> None:
    port = free_ports(0)[0]
    inside = free_ports(0)[0]
    settings = [f"password_file {password_file(tmp_path)}", f"listener {inside} 127.0.0.1", "allow_anonymous true"]
    broker = make_broker(tmp_path / "broker", port, settings)
    start(broker, port)
    listener = Listener(inside)
    (secret := tmp_path / "secret").write_text("battery staple\n")
    server = make_server("--mqtt-username", USER, "--mqtt-password-file", str(secret), mqtt_port=port)
    asyncio.run(server.wait_until(lambda: "Not authorized" in server.log.read_text(), 10))
    secret.write_text(f"{PASSWORD}\n")
    wait_for_announcement(listener, 30)
    listener.close()
    broker.stop()


@contextmanager
def broker_with_password(tmp_path: Path, *settings: str) -> Iterator[tuple[int, Listener, list[str]]]:
    """Run a broker that wants a password. Yield its port, a listener that needs none, and the flags of a server."""
    port, inside = free_ports(0, 0)
    password = f"password_file {password_file(tmp_path)}"
    lines = [*settings, password, f"listener {inside} 127.0.0.1", "allow_anonymous true"]
    broker = make_broker(tmp_path / "broker", port, lines)
    start(broker, port)
    listener = Listener(inside)
    (secret := tmp_path / "secret").write_text(f"{PASSWORD}\n")
    yield port, listener, ["--mqtt-username", USER, "--mqtt-password-file", str(secret)]
    listener.close()
    broker.stop()


def test_the_server_connects_with_tls_a_client_certificate_and_a_password(
    make_server: MakeServer, tmp_path: Path
) -> None:
    files = certificates(tmp_path / "pki")
    tls = [
        "--mqtt-tls",
        "true",
        "--mqtt-ca-file",
        str(files.authority),
        "--mqtt-client-certificate",
        str(files.client),
    ]
    with broker_with_password(tmp_path, *tls_settings(files), "require_certificate true") as (port, listener, flags):
        server = make_server(*tls, *flags, mqtt_port=port)
        camera = wait_for_announcement(listener)["cameras"][0]
        listener.publish(camera["command_topic"], '{"command": "snapshot"}')
        listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
        server.stop()
        listener.wait_for_retained(camera["availability_topic"].replace(f"/{camera['id']}", ""), "offline")


@pytest.mark.parametrize("refuses_by_connack", [True, False], ids=["refuses by CONNACK", "closes the connection"])
def test_the_server_falls_back_to_mqtt_3_1_1(
    make_server: MakeServer, listener: Listener, broker: int, *, refuses_by_connack: bool
) -> None:
    with Mqtt311Broker(broker) as old:
        old.refuses_by_connack = refuses_by_connack
        server = make_server(mqtt_port=old.port)
        camera = wait_for_announcement(listener)["cameras"][0]
        # MQTT 3.1.1 has no Maximum Packet Size: the server disconnects, unless the whole packet has come already.
        listener.publish(camera["command_topic"], b"x" * 8_000_000)
        refusals = ("too large for this server", "longer than 4096 bytes")
        asyncio.run(server.wait_until(lambda: any(text in server.log.read_text() for text in refusals), 10))
        if refusals[0] in server.log.read_text():
            listener.wait(lambda heard: heard.messages.count((server_availability_topic(camera), "online")) > 1)
        listener.publish(camera["command_topic"], '{"command": "snapshot"}')
        listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)


def server_availability_topic(camera: dict[str, str]) -> str:
    """Return the availability topic of the camera's server."""
    return camera["availability_topic"].replace(f"/{camera['id']}/", "/")


def test_the_state_says_why_there_is_no_connection(make_server: MakeServer) -> None:
    port, closed_port = free_ports(0, 0)
    server = make_server("--port", str(port), mqtt_port=closed_port)
    asyncio.run(server.wait_until(lambda: "nothing listens there" in server.log.read_text(), 10))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=10) as response:
        assert b'{"state": "connecting", "broker": "127.0.0.1:%d", "error": "nothing listens there"}' % closed_port in (
            response.read()
        )


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--mqtt-username", "pi", "--mqtt-password-file", "/none"], "'/none'"),
        (["--mqtt-tls", "true", "--mqtt-ca-file", "/none"], "No such file"),
    ],
)
def test_the_server_does_not_start_without_a_configured_file(
    make_server: MakeServer, flags: list[str], reason: str
) -> None:
    server = make_server(*flags, mqtt_port=1)
    with pytest.raises(Exception, match="ended by itself"):
        asyncio.run(server.wait_until(lambda: False, 10))
    assert reason in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_the_access_list_in_the_docs_allows_what_a_server_needs_and_nothing_else(
    make_server: MakeServer, tmp_path: Path
) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    rules = next(block for block in docs.split("```") if f"user {USER}" in block)
    node = identify(None, tmp_path / "state").node
    (access := tmp_path / "acl").write_text(rules.replace("NODE", node))
    with broker_with_password(tmp_path, f"acl_file {access}") as (port, listener, flags):
        server = make_server(*flags, mqtt_port=port)
        camera = wait_for_announcement(listener)["cameras"][0]
        wait_for_core_discovery(listener, node)
        listener.publish(camera["command_topic"], '{"command": "snapshot"}')
        listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
        assert "the broker refuses" not in server.log.read_text()
        server.stop()
        # The list does not have another prefix.
        other = make_server(*flags, "--mqtt-discovery-prefix", "ha", mqtt_port=port)
        asyncio.run(other.wait_until(lambda: "the broker refuses messages on ha/device" in other.log.read_text(), 10))
        assert other.log.read_text().count("the broker refuses messages on ha/device") == 1
