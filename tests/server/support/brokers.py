"""Brokers for the tests: with a password, with TLS, of MQTT 3.1.1 only, and a server that is no broker."""

import base64
import hashlib
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from tests.server.support.tcp_proxy import TcpProxy

USER = "garden"
PASSWORD = "correct horse"  # noqa: S105  (of a broker that lives for seconds)


def password_file(folder: Path) -> Path:
    """Write Mosquitto's password file (PBKDF2 with SHA-512, as mosquitto_passwd makes it) and return its path."""
    salt, rounds = b"0123456789ab", 101
    digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, rounds)
    path = folder / "passwords"
    path.write_text(f"{USER}:$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n")
    path.chmod(0o600)
    return path


@dataclass(frozen=True)
class Certificates:
    """PEM files: two authorities, and certificates with their keys for the broker and a client, by the first one."""

    authority: Path
    other_authority: Path
    broker: Path
    client: Path


def certificates(folder: Path, *, name: str = "127.0.0.1", expired: bool = False) -> Certificates:
    """Make the files; the broker's certificate is for the host `name`."""
    folder.mkdir()
    authority, other = trustme.CA(), trustme.CA()
    not_after = datetime.now(UTC) - timedelta(days=1) if expired else None
    files = Certificates(*(folder / f"{each}.pem" for each in ("authority", "other", "broker", "client")))
    authority.cert_pem.write_to_path(files.authority)
    other.cert_pem.write_to_path(files.other_authority)
    for path, cert in (
        (files.broker, authority.issue_cert(name, not_after=not_after)),
        (files.client, authority.issue_cert("garden.example")),
    ):
        cert.private_key_and_cert_chain_pem.write_to_path(path)
    return files


def tls_settings(files: Certificates) -> list[str]:
    """Return the lines of Mosquitto's configuration for TLS."""
    return [f"cafile {files.authority}", f"certfile {files.broker}", f"keyfile {files.broker}"]


class Mqtt311Broker(TcpProxy):
    """A proxy in front of a broker that lets only MQTT 3.1.1 through."""

    refuses_by_connack = True
    """Whether it refuses another version by a CONNACK, or just closes the connection."""

    def accept(self, client: socket.socket) -> socket.socket | None:
        """Refuse a client whose CONNECT has another version (the byte after the protocol's name)."""
        begin = client.recv(64, socket.MSG_PEEK)
        if begin[begin.index(b"MQTT") + 4] == 4:
            return super().accept(client)
        if self.refuses_by_connack:
            client.sendall(b"\x20\x02\x00\x01")
        return None


class HttpServer(TcpProxy):
    """A server that answers everything as a web server would."""

    def accept(self, client: socket.socket) -> socket.socket | None:
        """Answer 400 Bad Request."""
        client.recv(64)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return None
