"""The host names under which this server answers: all others are refused, which stops DNS rebinding."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.errors import bad_request, misdirected_request
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")
_MAX_PORT = 65535

_PRIVATE_SUFFIXES = (".local", ".localhost", ".lan", ".home", ".internal", ".localdomain", ".home.arpa")
"""Names below these are never in the public DNS, so no attacker can point one of them at this server."""


class InvalidHostError(Exception):
    """The Host header does not contain a host."""


class UnknownHostError(Exception):
    """The request is for a host name that is not this server's; the message is the name."""


class TrustedHosts:
    """The host names of this server. IP addresses, localhost and names on a private network always belong to it."""

    def __init__(self, names: Iterable[str]) -> None:
        """Trust these names, without ports, in any case."""
        self._names = frozenset(name.lower() for name in names)

    @classmethod
    def from_settings(cls, settings: ServerSettings) -> Self:
        """Trust the machine's own name, the host of `public_url`, and the names in `hosts`."""
        machine = socket.gethostname()
        # Many home routers (FRITZ!Box) give a machine a name in a domain of their own, such as raspberrypi.fritz.box.
        short = machine.partition(".")[0]
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        names = (machine, short, f"{short}.fritz.box", public, *settings.hosts)
        return cls(name for name in names if name)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests for other hosts. Raises 400 for an invalid Host header and 421 for an unknown name."""
        try:
            self.check(request[REQUEST_ORIGIN].host)
        except UnknownHostError as error:
            raise misdirected_request(
                f"{error} is not a name of this server: use its address, or add the name to hosts in [server]"
            ) from error
        except InvalidHostError as error:
            raise bad_request(str(error)) from error
        return await handler(request)

    def check(self, host: str) -> None:
        """Raise `InvalidHostError` or `UnknownHostError` unless `host`, with or without a port, is this server's.

        An unknown name may be one that an attacker's DNS points here, to read this server from a web page of theirs.
        """
        found = _HOST.fullmatch(host)
        if found is None or int(found["port"] or 0) > _MAX_PORT:
            raise InvalidHostError("the Host header is not a host")
        name = found["name"].strip("[]").rstrip(".").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            if name not in self._names and name != "localhost" and not name.endswith(_PRIVATE_SUFFIXES):
                raise UnknownHostError(name) from None
