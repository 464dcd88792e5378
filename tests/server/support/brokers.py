"""Brokers that are hard to join: with passwords, with certificates, and of another age."""

import base64
import hashlib
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from tests.server.support.tcp_proxy import Cable

USER = "garden"
PASSWORD = "correct horse"  # noqa: S105  (of a broker that lives for seconds)


def password_file(folder: Path) -> Path:
    """Write the file by which Mosquitto knows the user (PBKDF2 with SHA-512, as mosquitto_passwd makes it)."""
    salt, rounds = b"0123456789ab", 101
    digest = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), salt, rounds)
    path = folder / "passwords"
    path.write_text(f"{USER}:$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n")
    path.chmod(0o600)
    return path


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: an authority, a broker's certificate with its key, and a client's, all of it good or not."""

    authority: Path
    other_authority: Path
    broker: Path
    client: Path


def certificates(folder: Path, *, name: str = "127.0.0.1", expired: bool = False) -> Certificates:
    """Make the files; the broker's certificate is for that name."""
    folder.mkdir()
    authority, other = trustme.CA(), trustme.CA()
    until = datetime.now(UTC) - timedelta(days=1) if expired else None
    made = Certificates(*(folder / f"{each}.pem" for each in ("authority", "other", "broker", "client")))
    authority.cert_pem.write_to_path(made.authority)
    other.cert_pem.write_to_path(made.other_authority)
    for path, cert in (
        (made.broker, authority.issue_cert(name, not_after=until)),
        (made.client, authority.issue_cert("garden.example")),
    ):
        cert.private_key_and_cert_chain_pem.write_to_path(path)
    return made


def tls_settings(made: Certificates) -> list[str]:
    """Return the lines by which Mosquitto speaks TLS."""
    return [f"cafile {made.authority}", f"certfile {made.broker}", f"keyfile {made.broker}"]


class OldBroker(Cable):
    """The way to a broker that speaks only MQTT 3.1.1, and says so or just hangs up."""

    says_so = True

    def greet(self, near: socket.socket) -> socket.socket | None:
        """Refuse whoever begins with another version (the byte after the protocol's name in CONNECT)."""
        begin = near.recv(64, socket.MSG_PEEK)
        if begin[begin.index(b"MQTT") + 4] == 4:
            return super().greet(near)
        if self.says_so:
            near.sendall(b"\x20\x02\x00\x01")
        return None


class Stranger(Cable):
    """Something that listens and is no broker."""

    def greet(self, near: socket.socket) -> socket.socket | None:
        """Answer as a web server would."""
        near.recv(64)
        near.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return None
