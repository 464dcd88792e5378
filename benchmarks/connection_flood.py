"""A thousand connections that mean no good, all at once and again and again, while one viewer watches.

    python -m benchmarks.connection_flood --seconds 30

In equal parts they say nothing; hold half a TLS hello; send a request's head byte by byte; ask for one thing after the
other; ask for pictures and take nothing of them; send a body in chunks of one byte. They come from three addresses, and
whoever is hung up on comes again within a second. This server is tried over HTTP and over TLS, ustreamer over HTTP. It
exits with 1 when this server's viewer gets less than 98 % of the pictures, or when somebody of another address waits
for more than two seconds.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import ssl
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import trustme
from workbench.network import LOOPBACK

from benchmarks.load_generator import read
from benchmarks.peers import FPS, OURS, USTREAMER, Peer, ours, serving
from tests.server.web.transport.test_tls import trusting, write

CONNECTIONS = 1000
ADDRESSES = 3
PROMISED = 0.98
PATIENCE = 2.0

_REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
_HALF_A_HELLO = bytes.fromhex("16030102000100")


async def _silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in _REQUEST % (b"/" + b"x" * 4000):
        writer.write(bytes([byte]))
        await writer.drain()
        if reader.at_eof():
            return
        await asyncio.sleep(0.5)


async def _hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not reader.at_eof():
        writer.write(_REQUEST % b"/nothing")
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)


async def _deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transport = writer.transport
    if isinstance(transport, asyncio.Transport):
        transport.pause_reading()
    while not writer.is_closing():
        writer.write(_REQUEST % b"/snapshot")
        await writer.drain()
        await asyncio.sleep(0.5)


async def _half_a_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_HALF_A_HELLO)
    await reader.read()


async def _crumbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not (reader.at_eof() or writer.is_closing()):
        writer.write(b"1\r\nx\r\n" * 1000)
        await writer.drain()
        await asyncio.sleep(0.01)


_WAYS = (_silent, _half_a_hello, _dripping, _hasty, _deaf, _crumbling)
_BEFORE_TLS = (_silent, _half_a_hello)


_ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_ANYBODY.check_hostname = False
_ANYBODY.verify_mode = ssl.CERT_NONE


@dataclass(frozen=True)
class Hail:
    """A thousand connections to one port, until a moment of the monotonic clock, in a process of their own."""

    port: int
    tls: bool
    until: float

    def fall(self) -> int:
        """Come again and again; return how often the server ended it."""
        return asyncio.run(self._fall())

    async def _fall(self) -> int:
        return sum(await asyncio.gather(*map(self._stone, range(CONNECTIONS))))

    async def _stone(self, number: int) -> int:
        """Misbehave in one way."""
        ended = 0
        way = _WAYS[number % len(_WAYS)]
        local = (f"127.0.0.{2 + number // len(_WAYS) % ADDRESSES}", 0)
        trust = _ANYBODY if self.tls and way not in _BEFORE_TLS else None
        while (left := self.until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    reader, writer = await asyncio.open_connection(LOOPBACK, self.port, local_addr=local, ssl=trust)
                    with contextlib.closing(writer):
                        await way(reader, writer)
            except TimeoutError:
                return ended
            except (OSError, asyncio.IncompleteReadError):
                pass  # a reset is an end too
            ended += 1
            await asyncio.sleep(random.random())  # noqa: S311  (spread)
        return ended


@dataclass(frozen=True)
class Seen:
    """What the viewer saw, how long another waited for a picture meanwhile, and how the server was afterwards."""

    share: float
    oldest: float
    waited: float
    ended: int
    memory: int
    processor: float


def measure(peer: Peer, seconds: float) -> Seen:
    """Let one viewer watch a server through it all, and another come in the middle."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(peer, Path(folder)) as served,
        contextlib.closing(served.viewer()) as viewer,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere,
    ):
        elsewhere.submit(int).result()
        read([viewer], 1)
        viewer.ages.clear()
        used = served.program.processor_time
        falling = elsewhere.submit(Hail(served.port, peer.trust is not None, time.monotonic() + seconds).fall)
        read([viewer], seconds / 2)
        began = time.monotonic()
        with contextlib.closing(served.viewer()) as late:
            while not late.ages and time.monotonic() - began < seconds / 2:
                read([viewer, late], 0.1)
        waited = time.monotonic() - began
        read([viewer], seconds / 2 - waited)
        used = (served.program.processor_time - used) / seconds
        share = len(viewer.ages) / (FPS * seconds)
        return Seen(share, max(viewer.ages), waited, falling.result(), served.program.memory, used)


def _with_tls(folder: Path) -> Peer:
    """Return this server with a certificate, and with the limits of its own that nobody changed."""
    authority = trustme.CA()
    settings = "\n".join(f'{key} = "{path}"' for key, path in write(authority, folder).items())
    return Peer("pi_mjpeg, TLS", OURS.path, partial(ours, settings=settings), trusting(authority))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        peers = (replace(OURS, command=partial(ours, settings="")), _with_tls(Path(folder)), USTREAMER)
        seen = [measure(peer, seconds) for peer in peers]
    print(f"| {CONNECTIONS} bad connections for {seconds:g} s | " + " | ".join(peer.name for peer in peers) + " |")
    print("|---|" + "---|" * len(peers))
    _row("pictures that the viewer got", [f"{each.share:.1%}" for each in seen])
    _row("its oldest picture", [f"{each.oldest:.2f} s" for each in seen])
    _row("somebody else, who came in the middle, had a picture after", [f"{each.waited:.2f} s" for each in seen])
    _row("connections that the server ended", [str(each.ended) for each in seen])
    _row("processor time, of a core", [f"{each.processor:.0%}" for each in seen])
    _row("the server's memory then", [f"{each.memory / 1e6:.0f} MB" for each in seen])
    return int(any(each.share < PROMISED or each.waited > PATIENCE for each in seen[:2]))


def _row(what: str, values: Sequence[str]) -> None:
    print(f"| {what} | " + " | ".join(values) + " |")


if __name__ == "__main__":
    sys.exit(main())
