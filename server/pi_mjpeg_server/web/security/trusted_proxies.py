"""Who sent a request and which URL they used; `X-Forwarded-*` counts only when a trusted proxy sends it."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

from pi_mjpeg_server.web.errors import bad_request
from pi_mjpeg_server.web.security.ip_addresses import normalize_ip, parse_ip

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}")


class ProxyHeaderError(Exception):
    """The headers do not say which URL the client used; the message says why."""


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """The client's IP address, and the parts of the URL under which the client sees this server.

    `host` includes the port if the client named one. `prefix` is the path below which a proxy serves this server.
    """

    client_ip: str
    scheme: str
    host: str
    prefix: str = ""

    @property
    def origin(self) -> str:
        """Return the web origin (RFC 6454) of this server, as the client's browser sees it."""
        return f"{self.scheme}://{self.host}"

    @property
    def base_url(self) -> str:
        """Return the URL under which the client reaches this server, without a slash at the end."""
        return self.origin + self.prefix


REQUEST_ORIGIN = web.RequestKey("request_origin", RequestOrigin)
"""Set on every request by `TrustedProxies.middleware`."""


class TrustedProxies:
    """The reverse proxies whose `X-Forwarded-*` headers are believed."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Trust proxies with addresses in these networks, such as `10.0.0.0/8` or `192.168.1.2`."""
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Set `REQUEST_ORIGIN`. Raises 400 when the headers contradict each other or are not what they should be."""
        scheme = "https" if request.secure else "http"
        try:
            request[REQUEST_ORIGIN] = self.origin(
                request.remote or "unknown", scheme, local_address(request), request.headers
            )
        except ProxyHeaderError as error:
            raise bad_request(str(error)) from error
        return await handler(request)

    def origin(self, remote: str, scheme: str, local: str, headers: CIMultiDictProxy[str]) -> RequestOrigin:
        """Return the origin of a request from the address `remote` to the socket `local` (host and port).

        Raises `ProxyHeaderError`.
        """
        host = _single_host(headers) or local
        prefix = ""
        client_ip = remote = normalize_ip(remote)
        if self.trusts(remote):
            client_ip = self._client_ip(remote, headers)
            scheme = _last(headers, "X-Forwarded-Proto") or scheme
            host = _last(headers, "X-Forwarded-Host") or host
            prefix = (_last(headers, "X-Forwarded-Prefix") or "").rstrip("/")
        if scheme not in {"http", "https"}:
            raise ProxyHeaderError("X-Forwarded-Proto is neither http nor https")
        if prefix and not _PREFIX.fullmatch(prefix):
            raise ProxyHeaderError("X-Forwarded-Prefix is not a path")
        return RequestOrigin(client_ip, scheme, host, prefix)

    def trusts(self, address: str) -> bool:
        """Return whether this address belongs to a trusted proxy."""
        try:
            parsed = parse_ip(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def _client_ip(self, remote: str, headers: CIMultiDictProxy[str]) -> str:
        """Return the last address that no trusted proxy has: the client may have invented those before it."""
        nearest = remote
        for text in reversed(",".join(headers.getall("X-Forwarded-For", [])).split(",")):
            try:
                nearest = str(parse_ip(text))
            except ValueError:
                break
            if not self.trusts(nearest):
                break
        return nearest


def local_address(request: web.Request) -> str:
    """Return the address and port of this end of the connection, as a URL has it: IPv6 in brackets, without a zone.

    An IPv4 address that a dual-stack socket writes as ::ffff:192.0.2.1 is returned as 192.0.2.1.
    """
    sockname = request.get_extra_info("sockname")
    host, port = sockname[:2] if sockname else ("localhost", 80)
    host = normalize_ip(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _single_host(headers: CIMultiDictProxy[str]) -> str | None:
    """Return the Host header, or None if there is none. Two are an error (RFC 9112, 3.2)."""
    values = headers.getall("Host", [])
    if len(values) > 1:
        raise ProxyHeaderError("there is more than one Host header")
    return values[0] if values else None


def _last(headers: CIMultiDictProxy[str], name: str) -> str | None:
    """Return the value that the nearest proxy wrote: each proxy appends to what it received."""
    values = headers.getall(name, [])
    return values[-1].rpartition(",")[2].strip() if values else None
