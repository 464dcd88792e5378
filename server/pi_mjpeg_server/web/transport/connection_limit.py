"""How many connections may be open at the same time, in all and per client."""

import logging
import resource
from collections import Counter
from collections.abc import Callable, Iterable

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.security.client_rate_limit import RateLimitPerClient
from pi_mjpeg_server.web.security.connection_slot import ConnectionSlot
from pi_mjpeg_server.web.security.ip_addresses import client_network
from pi_mjpeg_server.web.security.proven_clients import ProvenClients
from pi_mjpeg_server.web.security.trusted_proxies import TrustedProxies

_LOGGER = logging.getLogger(__name__)

_SHORT_REQUESTS = 128
"""Connections, beside those of viewers, for requests that are answered at once."""
_SHORT_REQUESTS_PER_CLIENT = 32
_REQUEST_TIME = 1.0
"""Seconds that a new connection has for its request. Until then, older ones make room sooner."""
_REPLACEMENT_BURST = 16
_REPLACEMENTS_PER_SECOND = 4.0
"""About as many as time out by themselves. With more, a flood of requests would take the slots of those that send none:
it would be answered, which costs far more than to refuse it."""
_PROVEN_REPLACEMENTS = 64
"""At once, and then each second, for a client that showed the token lately: whoever has it may share the address."""
_OTHER_FILES = 256
"""Open files beside connections: cameras, MQTT, snapshots, libraries."""


class ConnectionLimit:
    """Counts the connections of one server, per client and in all.

    A trusted proxy stands for many clients, so only the limit of all connections applies to it. Where a limit is
    reached, a connection that shows no token makes room for a new one, so that nobody can keep others out by holding
    connections open.
    """

    def __init__(self, settings: ServerSettings, proven_clients: ProvenClients) -> None:
        """Allow the connections of all the viewers that the settings allow, and some for short requests."""
        self.max_connections = settings.max_viewers + _SHORT_REQUESTS
        self.max_per_client = settings.max_viewers_per_address + _SHORT_REQUESTS_PER_CLIENT
        self._trusted_proxies = TrustedProxies(settings.trusted_proxies)
        self._proven_clients = proven_clients
        # A dict keeps the order in which they came.
        self._open: dict[ConnectionSlot, None] = {}
        self._per_client: Counter[str] = Counter()
        self._replacements = RateLimitPerClient(_REPLACEMENT_BURST, _REPLACEMENTS_PER_SECOND)
        self._proven_replacements = RateLimitPerClient(_PROVEN_REPLACEMENTS, _PROVEN_REPLACEMENTS)

    def acquire(self, address: str, now: float, close: Callable[[ConnectionSlot], None]) -> ConnectionSlot | None:
        """Return a slot for a connection from this address, or None if a limit is reached and no other makes room.

        To make room, another slot is released, and its connection has to be closed by `close`. A client that has as
        many as the others may have that done 16 times at once and then four times a second, or 64 times if it showed
        the token lately. `now` is the time of a monotonic clock in seconds.
        """
        client = client_network(address)
        is_proxy = self._trusted_proxies.trusts(address)
        victim: ConnectionSlot | None = None
        if self._per_client[client] >= self.max_per_client and not is_proxy:
            if self._must_wait(client, now):
                return None
            # Not those that wait for their answer: it takes milliseconds, and then they may have shown the token.
            own = [slot for slot in self._open if slot.client == client and not slot.is_waiting]
            victim, _ = self._least_deserving(own, now)
            if victim is None:
                return None
        elif len(self._open) >= self.max_connections:
            victim, unproven = self._least_deserving(self._open, now)
            is_entitled = is_proxy or self._per_client[client] + 1 < unproven or self._is_proven(client, now)
            if victim is None or (not is_entitled and self._must_wait(client, now)):
                return None
        if victim is not None:
            self.release(victim)
            close(victim)
        slot = ConnectionSlot(client, now)
        self._open[slot] = None
        self._per_client[client] += 1
        return slot

    def release(self, slot: ConnectionSlot) -> None:
        """Take back one slot, unless it was released before."""
        if slot not in self._open:
            return
        del self._open[slot]
        self._per_client[slot.client] -= 1
        if not self._per_client[slot.client]:
            del self._per_client[slot.client]

    def _is_proven(self, client: str, now: float) -> bool:
        return self._proven_clients.includes(client, now)

    def _must_wait(self, client: str, now: float) -> bool:
        """Return whether as many connections were closed for this client lately as may be."""
        limit = self._proven_replacements if self._is_proven(client, now) else self._replacements
        return limit.take(client, now) > 0

    def _least_deserving(self, slots: Iterable[ConnectionSlot], now: float) -> tuple[ConnectionSlot | None, int]:
        """Return the slot that makes room and how many of its client could, or None and 0 if all are protected.

        Those of clients that showed the token lately come last. Before that, the client with the most connections
        loses its oldest one that sends no request, or else its oldest one that was answered without a token. One that
        is new, or waits for its answer, may still show the token.
        """
        candidates = [slot for slot in slots if not slot.is_protected]
        if not candidates:
            return None, 0
        counts = Counter(slot.client for slot in candidates)
        ranks = {client: (self._is_proven(client, now), -count) for client, count in counts.items()}

        def rank(slot: ConnectionSlot) -> tuple[tuple[bool, int], bool, bool]:
            is_new = not slot.is_answered and now - slot.opened_at < _REQUEST_TIME
            return ranks[slot.client], slot.is_waiting or is_new, slot.is_answered

        victim = min(candidates, key=rank)
        return victim, counts[victim.client]


def raise_open_files_limit(connections: int) -> None:
    """Let this process open enough files for so many connections: most systems start at 1024 and allow more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _LOGGER.warning("this system allows %d open files; max_viewers in [server] asks for %d", allowed, needed)
