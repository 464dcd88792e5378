"""Who asks, and by which address they reached this server; through proxies only as far as these are trusted."""

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from multidict import CIMultiDictProxy

from pi_mjpeg_server.web.security.client_ip import parse, plain

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}")
_LARGEST_PORT = 65535

_PRIVATE_SUFFIXES = (".local", ".localhost", ".lan", ".home", ".internal", ".localdomain", ".home.arpa")
"""Names below these are never in the public DNS, so no stranger can make one of them mean this server."""


class RequestOriginError(Exception):
    """The request's own words about who reached whom make no sense."""


class UnknownHostError(RequestOriginError):
    """The request was sent to a name that is not this server's."""


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """Who asks. `host` has the port where the client named one; `prefix` is the path a proxy serves us below."""

    address: str
    scheme: str
    host: str
    prefix: str = ""

    @property
    def origin(self) -> str:
        """Return scheme, host and port as the client's browser knows them."""
        return f"{self.scheme}://{self.host}"

    @property
    def base(self) -> str:
        """Return the address under which the client reaches the server, without a slash at the end."""
        return self.origin + self.prefix


@dataclass(frozen=True, slots=True)
class TrustedHosts:
    """By which names this server may be called, and whose word about a client is believed."""

    hosts: frozenset[str] = frozenset()
    trusted: Sequence[Network] = ()

    def peer(self, remote: str, scheme: str, local: str, headers: CIMultiDictProxy[str]) -> RequestOrigin:
        """Return who asks; `remote` is the socket's other end, `local` its own (host and port).

        Raises `RequestOriginError`, or `UnknownHostError` for a name that a stranger's DNS may have pointed here.
        """
        host = _only(headers, "Host") or local
        prefix = ""
        address = remote = plain(remote)
        if self.trusts(remote):
            address = self._client(remote, headers)
            scheme = _last(headers, "X-Forwarded-Proto") or scheme
            host = _last(headers, "X-Forwarded-Host") or host
            prefix = (_last(headers, "X-Forwarded-Prefix") or "").rstrip("/")
        if scheme not in {"http", "https"}:
            raise RequestOriginError("X-Forwarded-Proto is neither http nor https")
        if prefix and not _PREFIX.fullmatch(prefix):
            raise RequestOriginError("X-Forwarded-Prefix is no path")
        self._check(host)
        return RequestOrigin(address, scheme, host, prefix)

    def trusts(self, address: str) -> bool:
        """Tell whether this address is a proxy of ours."""
        try:
            parsed = parse(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted)

    def _client(self, remote: str, headers: CIMultiDictProxy[str]) -> str:
        """Return the nearest address that is no proxy of ours: what lies beyond it, the client could have written."""
        nearest = remote
        for text in reversed(",".join(headers.getall("X-Forwarded-For", [])).split(",")):
            try:
                nearest = str(parse(text))
            except ValueError:
                break
            if not self.trusts(nearest):
                break
        return nearest

    def _check(self, host: str) -> None:
        found = _HOST.fullmatch(host)
        if found is None or int(found["port"] or 0) > _LARGEST_PORT:
            raise RequestOriginError("the Host header is not a host")
        name = found["name"].strip("[]").rstrip(".").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            if name not in self.hosts and name != "localhost" and not name.endswith(_PRIVATE_SUFFIXES):
                raise UnknownHostError(name) from None


def trusted_hosts(names: Collection[str], public_url: str | None, trusted: Sequence[str]) -> TrustedHosts:
    """Return the trusted_hosts of a server that has these names, this public URL and these proxies (as networks)."""
    public = urlsplit(public_url).hostname if public_url else None
    hosts = {name.lower() for name in (*names, public) if name}
    return TrustedHosts(frozenset(hosts), [ipaddress.ip_network(text, strict=False) for text in trusted])


def _only(headers: CIMultiDictProxy[str], name: str) -> str | None:
    given = headers.getall(name, [])
    if len(given) > 1:
        raise RequestOriginError(f"there is more than one {name} header")
    return given[0] if given else None


def _last(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """Return what the nearest proxy wrote: each one appends to what it was given."""
    given = headers.getall(name, [])
    return given[-1].rpartition(",")[2].strip() if given else None
