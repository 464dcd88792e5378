"""The base URLs that other machines are given, in the announcement and after a change of address."""

import ipaddress
import json
from pathlib import Path

import pytest
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.make_server import make_server as make_server_here
from pi_mjpeg_server.mqtt import bridge
from pi_mjpeg_server.mqtt.advertised_url import advertised_urls
from pi_mjpeg_server.mqtt.bridge import Bridge

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, wait_for_announcement
from tests.server.support.scripted_camera import until

PLAIN = ServerSettings(port=8123)
TLS = ServerSettings(port=8443, tls_certificate=Path("cert.pem"))
PROXIED = ServerSettings(port=8123, public_url="https://pi.example/garden")
BOTH = ["192.168.1.20", "fd00::20"]


def listening_on(host: str) -> ServerSettings:
    return ServerSettings(port=8123, host=host)


@pytest.mark.parametrize(
    ("settings", "addresses", "urls"),
    [
        pytest.param(PLAIN, BOTH, ["http://192.168.1.20:8123", "http://[fd00::20]:8123"], id="all"),
        pytest.param(listening_on("0.0.0.0"), BOTH, ["http://192.168.1.20:8123"], id="IPv4"),  # noqa: S104
        pytest.param(listening_on("::"), BOTH, ["http://[fd00::20]:8123"], id="IPv6"),
        pytest.param(listening_on("127.0.0.1"), BOTH, ["http://127.0.0.1:8123"], id="loopback only"),
        pytest.param(listening_on("::1"), BOTH, ["http://[::1]:8123"], id="IPv6 loopback only"),
        pytest.param(listening_on("10.0.0.1"), BOTH, ["http://10.0.0.1:8123"], id="one address"),
        pytest.param(listening_on("garden.local"), BOTH, ["http://garden.local:8123"], id="a name"),
        pytest.param(PLAIN, [], ["http://pi.local:8123"], id="no network yet"),
        pytest.param(listening_on("::"), BOTH[:1], ["http://pi.local:8123"], id="no IPv6 network yet"),
        pytest.param(TLS, BOTH[:1], ["https://192.168.1.20:8443"], id="TLS"),
        pytest.param(PROXIED, BOTH, ["https://pi.example/garden"], id="public_url"),
    ],
)
def test_the_advertised_urls(
    settings: ServerSettings, addresses: list[str], urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "pi.fritz.box")
    assert advertised_urls(settings, addresses) == urls


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_a_broker_on_this_machine_does_not_make_the_address_loopback(
    make_server: MakeServer, listener: Listener, host: str
) -> None:
    make_server("--host", host)
    announcement = wait_for_announcement(listener)
    assert announcement["base_url"] == announcement["base_urls"][0]
    for url in announcement["base_urls"]:
        name = url.removeprefix("http://").rpartition(":")[0].strip("[]")
        if not name.endswith(".local"):
            assert not ipaddress.ip_address(name).is_loopback
            assert not ipaddress.ip_address(name).is_link_local


def test_a_server_on_loopback_only_announces_that(make_server: MakeServer, listener: Listener) -> None:
    make_server("--host", "127.0.0.1")
    announcement = wait_for_announcement(listener)
    assert announcement["base_urls"] == [announcement["base_url"]]
    assert announcement["base_url"].startswith("http://127.0.0.1:")


async def test_a_change_of_address_is_announced_while_the_connection_lasts(
    broker: int, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pi_mjpeg_server.config import load  # noqa: PLC0415

    addresses = ["192.0.2.1"]
    monkeypatch.setattr(bridge, "local_addresses", lambda _: list(addresses))
    monkeypatch.setattr(bridge, "ADDRESS_CHECK_INTERVAL", 0.1)
    flags = {
        "--state-dir": str(tmp_path),
        "--source": "emulated",
        "--mqtt-host": "127.0.0.1",
        "--mqtt-port": str(broker),
    }
    configuration = load(None, {}, flags)
    server = make_server_here(configuration)
    connected = Bridge(server, configuration.mqtt, "127.0.0.1", configuration.server)
    connected.start()
    topic = f"pi_mjpeg/discovery/{server.identity.node}/config"

    def announced() -> list[str]:
        return json.loads(listener.retained[topic])["base_urls"] if topic in listener.retained else []

    await until(lambda: announced() == ["http://192.0.2.1:8000"], 10)
    addresses[:] = ["192.0.2.2", "192.0.2.1"]
    await until(lambda: announced() == ["http://192.0.2.2:8000", "http://192.0.2.1:8000"], 10)
    core = f"homeassistant/device/pi_mjpeg_{server.identity.node}/config"
    await until(lambda: "http://192.0.2.2:8000" in listener.retained.get(core, ""), 10)
    assert [payload for each, payload in listener.live_messages if each.endswith("/availability")].count("offline") <= 1
    await connected.stop()
