"""The base URL that other machines are given."""

from pathlib import Path

import pytest
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.mqtt.advertised_url import advertised_url

PLAIN = ServerSettings(port=8123)
TLS = ServerSettings(port=8443, tls_certificate=Path("cert.pem"))
PROXIED = ServerSettings(port=8123, public_url="https://pi.example/garden")


@pytest.mark.parametrize(
    ("settings", "local_address", "url"),
    [
        pytest.param(PLAIN, "192.168.1.20", "http://192.168.1.20:8123", id="IPv4"),
        pytest.param(PLAIN, "fd00::20", "http://[fd00::20]:8123", id="IPv6"),
        pytest.param(PLAIN, None, "http://localhost:8123", id="no connection"),
        pytest.param(TLS, "192.168.1.20", "https://192.168.1.20:8443", id="TLS"),
        pytest.param(PROXIED, "192.168.1.20", "https://pi.example/garden", id="public_url"),
    ],
)
def test_the_advertised_url(settings: ServerSettings, local_address: str | None, url: str) -> None:
    assert advertised_url(settings, local_address) == url
