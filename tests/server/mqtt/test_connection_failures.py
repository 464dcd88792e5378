"""A broker that cannot be joined costs one line in the log, and neither a picture nor a second."""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
    OldBroker,
    Stranger,
    certificates,
    password_file,
    tls_settings,
)
from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, announced, core_document
from tests.server.support.tcp_proxy import Cable


@dataclass
class ScriptError:
    """A broker that cannot be joined: its port, the server's flags, and the words of the line in the log."""

    words: str
    port: int
    flags: list[str] = field(default_factory=list)


class Troubles:
    """Makes them; each is made for a test of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Keep files in a folder and what is open on a stack."""
        self._folder = folder
        self._stack = stack

    def wrong_password(self) -> ScriptError:
        """A password that the broker does not know."""
        (wrong := self._folder / "wrong").write_text("battery staple\n")
        port = self._broker([f"password_file {password_file(self._folder)}"])
        flags = ["--mqtt-username", USER, "--mqtt-password-file", str(wrong)]
        return ScriptError("it refuses us: Not authorized; check username and password_file", port, flags)

    def wrong_authority(self) -> ScriptError:
        """A certificate by somebody whom the server does not trust."""
        made = certificates(self._folder / "pki")
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(made.other_authority)]
        return ScriptError("its certificate is not accepted", self._broker(tls_settings(made)), flags)

    def expired_certificate(self) -> ScriptError:
        """A certificate that was good once."""
        made = certificates(self._folder / "pki", expired=True)
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(made.authority)]
        words = "its certificate is not accepted: certificate has expired; check ca_file, host and this machine's clock"
        return ScriptError(words, self._broker(tls_settings(made)), flags)

    def certificate_of_another(self) -> ScriptError:
        """A good certificate for another name."""
        made = certificates(self._folder / "pki", name="broker.example")
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(made.authority)]
        return ScriptError("certificate is not valid for '127.0.0.1'", self._broker(tls_settings(made)), flags)

    def no_client_certificate(self) -> ScriptError:
        """A broker that wants a certificate of the server, too."""
        made = certificates(self._folder / "pki")
        port = self._broker([*tls_settings(made), "require_certificate true"])
        flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(made.authority)]
        return ScriptError(
            "it hung up instead of an answer; perhaps it wants TLS (or none), or a client certificate", port, flags
        )

    def tls_where_there_is_none(self) -> ScriptError:
        """A broker that speaks no TLS."""
        # Mosquitto hangs up at what is no MQTT.
        return ScriptError(
            "it hung up instead of an answer", self._broker(["allow_anonymous true"]), ["--mqtt-tls", "true"]
        )

    def nobody(self) -> ScriptError:
        """A port that nobody listens on."""
        return ScriptError("nothing listens there", free_ports(0)[0])

    def unreachable(self) -> ScriptError:
        """A machine that answers nothing."""
        # A full queue: the kernel answers no further connection, as if the machine were off.
        full = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = full.getsockname()[1]
        for _ in range(2):
            waiting = self._stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.1", port))
        return ScriptError("it does not answer", port)

    def silent(self) -> ScriptError:
        """A broker that takes the connection and says nothing."""
        cable = self._stack.enter_context(Cable(free_ports(0)[0]))
        cable.cut()
        return ScriptError("it accepts the connection and says nothing", cable.port)

    def stranger(self) -> ScriptError:
        """Something else than a broker."""
        return ScriptError("MQTT", self._stack.enter_context(Stranger(0)).port)

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
def troubles(tmp_path: Path) -> Iterator[Troubles]:
    with ExitStack() as stack:
        yield Troubles(tmp_path, stack)


@pytest.mark.parametrize(
    "make_trouble",
    [
        Troubles.wrong_password,
        Troubles.wrong_authority,
        Troubles.expired_certificate,
        Troubles.certificate_of_another,
        Troubles.no_client_certificate,
        Troubles.tls_where_there_is_none,
        Troubles.nobody,
        Troubles.unreachable,
        Troubles.silent,
        Troubles.stranger,
    ],
)
def test_trouble_is_told_once_in_words_and_the_server_streams_all_the_while(
    make_server: MakeServer, troubles: Troubles, make_trouble: Callable[[Troubles], ScriptError]
) -> None:
    trouble = make_trouble(troubles)
    port = free_ports(0)[0]
    server = make_server("--port", str(port), *trouble.flags, mqtt_port=trouble.port)
    asyncio.run(server.wait_until(lambda: answers("127.0.0.1", port), 10))
    # Each round reads some two hundred kilobytes of pictures, on time, whatever the broker does meanwhile.
    told = False
    deadline = time.monotonic() + 30
    while not told:
        assert time.monotonic() < deadline, server.log.read_text()
        began = time.monotonic()
        assert len(set(pictures(port, 20))) > 5
        assert time.monotonic() - began < 10
        told = trouble.words in server.log.read_text()
    server.stop(timeout=8)
    log = server.log.read_text()
    assert server.stopped_cleanly
    assert log.count("; trying again") == 1, log
    assert log.count(trouble.words) == 1, log
    assert "Traceback" not in log
    assert PASSWORD not in log


def pictures(port: int, count: int) -> list[bytes]:
    """Return some parts of a server's stream."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stream", timeout=10) as response:
        read = b""
        while read.count(b"--frame") < count:
            read += response.read1(65536)
    return read.split(b"--frame")


def test_a_mended_password_is_noticed_without_a_restart(make_server: MakeServer, tmp_path: Path) -> None:
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
    announced(listener, 30)
    listener.close()
    broker.stop()


def test_tls_with_a_client_certificate_and_a_password_gets_in(make_server: MakeServer, tmp_path: Path) -> None:
    port, inside = free_ports(0, 0)
    made = certificates(tmp_path / "pki")
    settings = [
        *tls_settings(made),
        "require_certificate true",
        f"password_file {password_file(tmp_path)}",
        f"listener {inside} 127.0.0.1",
        "allow_anonymous true",
    ]
    broker = make_broker(tmp_path / "broker", port, settings)
    start(broker, port)
    listener = Listener(inside)
    (secret := tmp_path / "secret").write_text(f"{PASSWORD}\n")
    flags = ["--mqtt-tls", "true", "--mqtt-ca-file", str(made.authority), "--mqtt-client-certificate", str(made.client)]
    server = make_server(*flags, "--mqtt-username", USER, "--mqtt-password-file", str(secret), mqtt_port=port)
    camera = announced(listener)["cameras"][0]
    listener.say(camera["command_topic"], '{"command": "snapshot"}')
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    server.stop()
    listener.wait_for(camera["availability_topic"].replace(f"/{camera['id']}", ""), "offline")
    listener.close()
    broker.stop()


@pytest.mark.parametrize("says_so", [True, False], ids=["says so", "hangs up"])
def test_a_broker_of_mqtt_3_1_1_is_spoken_to_in_its_own_version(
    make_server: MakeServer, listener: Listener, broker: int, *, says_so: bool
) -> None:
    with OldBroker(broker) as old:
        old.says_so = says_so
        server = make_server(mqtt_port=old.port)
        camera = announced(listener)["cameras"][0]
        # This version knows no largest size, so the server has to know it: it hangs up unless all has come at once.
        listener.say(camera["command_topic"], b"x" * 8_000_000)
        refusals = ("too large to be for us", "longer than 4096 bytes")
        asyncio.run(server.wait_until(lambda: any(words in server.log.read_text() for words in refusals), 10))
        if refusals[0] in server.log.read_text():
            listener.wait(lambda heard: heard.said.count((listener_topic(camera), "online")) > 1)
        listener.say(camera["command_topic"], '{"command": "snapshot"}')
        listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)


def listener_topic(camera: dict[str, str]) -> str:
    """Return the topic of the camera's server."""
    return camera["availability_topic"].replace(f"/{camera['id']}/", "/")


def test_without_a_broker_the_page_says_why(make_server: MakeServer) -> None:
    port, nobody = free_ports(0, 0)
    server = make_server("--port", str(port), mqtt_port=nobody)
    asyncio.run(server.wait_until(lambda: "nothing listens there" in server.log.read_text(), 10))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=10) as response:
        assert b'{"state": "connecting", "broker": "127.0.0.1:%d", "error": "nothing listens there"}' % nobody in (
            response.read()
        )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mqtt-username", "pi", "--mqtt-password-file", "/none"], "'/none'"),
        (["--mqtt-tls", "true", "--mqtt-ca-file", "/none"], "No such file"),
    ],
)
def test_a_file_that_is_not_there_ends_the_start(make_server: MakeServer, flags: list[str], words: str) -> None:
    server = make_server(*flags, mqtt_port=1)
    with pytest.raises(Exception, match="ended by itself"):
        asyncio.run(server.wait_until(lambda: False, 10))
    assert words in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_the_access_list_of_the_docs_lets_a_camera_do_its_work_and_nothing_else(
    make_server: MakeServer, tmp_path: Path
) -> None:
    port, inside = free_ports(0, 0)
    docs = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text()
    rules = next(block for block in docs.split("```") if f"user {USER}" in block)
    node = identify(None, tmp_path / "state").node
    (access := tmp_path / "acl").write_text(rules.replace("NODE", node))
    settings = [
        f"password_file {password_file(tmp_path)}",
        f"acl_file {access}",
        f"listener {inside} 127.0.0.1",
        "allow_anonymous true",
    ]
    broker = make_broker(tmp_path / "broker", port, settings)
    start(broker, port)
    listener = Listener(inside)
    (secret := tmp_path / "secret").write_text(f"{PASSWORD}\n")
    flags = ["--mqtt-username", USER, "--mqtt-password-file", str(secret)]
    server = make_server(*flags, mqtt_port=port)
    camera = announced(listener)["cameras"][0]
    core_document(listener, node)
    listener.say(camera["command_topic"], '{"command": "snapshot"}')
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    assert "does not let us" not in server.log.read_text()
    server.stop()
    # Another prefix is not on the list.
    other = make_server(*flags, "--mqtt-discovery-prefix", "ha", mqtt_port=port)
    asyncio.run(other.wait_until(lambda: "does not let us write to ha/device" in other.log.read_text(), 10))
    assert other.log.read_text().count("does not let us write to ha/device") == 1
    listener.close()
    broker.stop()
