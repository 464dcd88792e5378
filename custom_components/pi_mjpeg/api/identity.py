"""The proof that a known server answers at a new address, made with a secret that it gave to this entry.

Anybody on the network can announce the id of a server, which is public. The proof names the address at which the server
itself was reached, so one that was fetched from the server and passed on is worth nothing.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, Self

from yarl import URL

from ..const import CONF_IDENTITY

_PURPOSE: Final = b"pi_mjpeg identity 1"
_NONCE_BYTES: Final = 32
_LOOPBACK: Final = tuple(ip_network(text) for text in ("127.0.0.0/8", "::1/128"))
_LOCAL: Final = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""Private and link-local addresses (RFC 1918, 3927, 4193 and 4291)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server gave when it was added: the name of a secret, and the secret, both in hexadecimal."""

    key: str
    secret: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self | None:
        """Read the data of an entry. None if the server gave no secret yet."""
        stored = data.get(CONF_IDENTITY)
        return cls(stored["key"], stored["secret"]) if stored else None

    def data(self) -> dict[str, str]:
        """Return what an entry stores under `CONF_IDENTITY`."""
        return {"key": self.key, "secret": self.secret}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says about itself. `peer` is the address and port of the connection on which it came.

    `instance` differs between two processes, or is None for an older server.
    """

    id: str
    proof: str
    peer: str
    instance: str | None = None


def new_nonce() -> str:
    """Return what no server was ever asked with, in hexadecimal."""
    return secrets.token_hex(_NONCE_BYTES)


def proof(secret: str, nonce: str, node: str, address: str) -> str:
    """Return what the server with the id `node` has to answer at `address`, in hexadecimal."""
    message = b"\n".join((_PURPOSE, nonce.encode(), node.encode(), address.encode()))
    return hmac.new(bytes.fromhex(secret), message, sha256).hexdigest()


def is_proven(answer: Answer, identity: Identity, nonce: str, node: str) -> bool:
    """Return whether the server with the id `node` itself gave this answer."""
    expected = proof(identity.secret, nonce, node, answer.peer)
    return answer.id == node and hmac.compare_digest(expected, answer.proof)


def address_of(peername: tuple[Any, ...]) -> str:
    """Return host and port of a socket's address as both ends write them: IPv6 in brackets, IPv4 never as IPv6."""
    host = ip_address(str(peername[0]).partition("%")[0])
    plain = (host.ipv4_mapped or host) if isinstance(host, IPv6Address) else host
    return f"[{plain}]:{peername[1]}" if plain.version == 6 else f"{plain}:{peername[1]}"  # noqa: PLR2004 - of IP


def may_be_asked(known: URL, announced: URL) -> bool:
    """Return whether a request may go to an address that anybody on the network could have announced.

    It has to be an address of the local network itself: a name leads anywhere, a path to anything, and loopback is this
    machine. A server that spoke TLS is asked over TLS only.
    """
    if known.scheme == "https" and announced.scheme != "https":
        return False
    if announced.raw_path not in {"", "/"} or announced.raw_query_string or announced.user is not None:
        return False
    host = _literal(announced)
    if host is None:
        return False
    if any(host in network for network in _LOOPBACK):
        known_host = _literal(known)
        return known.host == "localhost" or (
            known_host is not None and any(known_host in network for network in _LOOPBACK)
        )
    return any(host in network for network in _LOCAL)


def _literal(url: URL) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a URL has for its host, or None if it has a name."""
    try:
        return ip_address(url.host or "")
    except ValueError:
        return None
