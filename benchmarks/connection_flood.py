"""A thousand hostile connections at once, each renewed when it is closed, while one viewer watches.

    python -m benchmarks.connection_flood --seconds 30

In equal parts they send nothing; send half a TLS ClientHello; send the request head byte by byte; send one request
after another; request pictures and read nothing; send a body in chunks of one byte. They use three addresses and
reconnect within a second of a close. This server is measured over HTTP and over TLS, ustreamer over HTTP. The exit code
is 1 if the viewer of this server gets less than 98 % of the frames, or if a viewer that connects from another address
during the flood waits more than two seconds for its first frame.
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
from tooling.network import LOOPBACK

from benchmarks.load_generator import read
from benchmarks.peers import FPS, OURS, USTREAMER, Peer, ours, serving
from tests.server.web.transport.test_tls import trusting, write

CONNECTIONS = 1000
ADDRESSES = 3
MIN_SHARE = 0.98
MAX_WAIT = 2.0

_REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
_HALF_CLIENT_HELLO = bytes.fromhex("16030102000100")


async def _send_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _send_head_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in _REQUEST % (b"/" + b"x" * 4000):
        writer.write(bytes([byte]))
        await writer.drain()
        if reader.at_eof():
            return
        await asyncio.sleep(0.5)


async def _send_many_requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not reader.at_eof():
        writer.write(_REQUEST % b"/nothing")
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)


async def _read_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    transport = writer.transport
    if isinstance(transport, asyncio.Transport):
        transport.pause_reading()
    while not writer.is_closing():
        writer.write(_REQUEST % b"/snapshot")
        await writer.drain()
        await asyncio.sleep(0.5)


async def _send_half_client_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_HALF_CLIENT_HELLO)
    await reader.read()


async def _send_tiny_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not (reader.at_eof() or writer.is_closing()):
        writer.write(b"1\r\nx\r\n" * 1000)
        await writer.drain()
        await asyncio.sleep(0.01)


_ATTACKS = (
    _send_nothing,
    _send_half_client_hello,
    _send_head_slowly,
    _send_many_requests,
    _read_nothing,
    _send_tiny_chunks,
)
_BEFORE_TLS = (_send_nothing, _send_half_client_hello)


_NO_VERIFICATION = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_NO_VERIFICATION.check_hostname = False
_NO_VERIFICATION.verify_mode = ssl.CERT_NONE


@dataclass(frozen=True)
class Flood:
    """The hostile connections to one port, until a time of the monotonic clock. Runs in its own process."""

    port: int
    tls: bool
    until: float

    def run(self) -> int:
        """Run the flood. Return how many connections the server closed."""
        return asyncio.run(self._run())

    async def _run(self) -> int:
        return sum(await asyncio.gather(*map(self._attack, range(CONNECTIONS))))

    async def _attack(self, number: int) -> int:
        """Run one kind of attack, and reconnect after each close."""
        closed = 0
        attack = _ATTACKS[number % len(_ATTACKS)]
        source = (f"127.0.0.{2 + number // len(_ATTACKS) % ADDRESSES}", 0)
        trust = _NO_VERIFICATION if self.tls and attack not in _BEFORE_TLS else None
        while (remaining := self.until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(remaining):
                    reader, writer = await asyncio.open_connection(LOOPBACK, self.port, local_addr=source, ssl=trust)
                    with contextlib.closing(writer):
                        await attack(reader, writer)
            except TimeoutError:
                return closed
            except (OSError, asyncio.IncompleteReadError):
                pass  # a reset counts as a close
            closed += 1
            await asyncio.sleep(random.random())  # noqa: S311  (spread)
        return closed


@dataclass(frozen=True)
class Measurement:
    """The viewer's share of frames, its oldest frame and the late viewer's wait in seconds, and the server's load."""

    share: float
    oldest: float
    waited: float
    closed: int
    memory: int
    processor: float


def measure(peer: Peer, seconds: float) -> Measurement:
    """Measure a server with one viewer from the start and another that connects in the middle."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(peer, Path(folder)) as served,
        contextlib.closing(served.viewer()) as viewer,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor,
    ):
        executor.submit(int).result()
        read([viewer], 1)
        viewer.ages.clear()
        processor_time = served.program.processor_time
        flood = executor.submit(Flood(served.port, peer.trust is not None, time.monotonic() + seconds).run)
        read([viewer], seconds / 2)
        began = time.monotonic()
        with contextlib.closing(served.viewer()) as late_viewer:
            while not late_viewer.ages and time.monotonic() - began < seconds / 2:
                read([viewer, late_viewer], 0.1)
        waited = time.monotonic() - began
        read([viewer], seconds / 2 - waited)
        processor_share = (served.program.processor_time - processor_time) / seconds
        share = len(viewer.ages) / (FPS * seconds)
        return Measurement(share, max(viewer.ages), waited, flood.result(), served.program.memory, processor_share)


def _with_tls(folder: Path) -> Peer:
    """Return this server with a certificate and its default limits."""
    authority = trustme.CA()
    settings = "\n".join(f'{key} = "{path}"' for key, path in write(authority, folder).items())
    return Peer("pi_mjpeg, TLS", OURS.path, partial(ours, settings=settings), trusting(authority))


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        peers = (replace(OURS, command=partial(ours, settings="")), _with_tls(Path(folder)), USTREAMER)
        results = [measure(peer, seconds) for peer in peers]
    print(f"| {CONNECTIONS} hostile connections for {seconds:g} s | " + " | ".join(peer.name for peer in peers) + " |")
    print("|---|" + "---|" * len(peers))
    _row("frames that the viewer got", [f"{each.share:.1%}" for each in results])
    _row("its oldest frame", [f"{each.oldest:.2f} s" for each in results])
    _row("first frame of a viewer that connects during the flood", [f"{each.waited:.2f} s" for each in results])
    _row("connections that the server closed", [str(each.closed) for each in results])
    _row("processor time, of one core", [f"{each.processor:.0%}" for each in results])
    _row("memory of the server at the end", [f"{each.memory / 1e6:.0f} MB" for each in results])
    return int(any(each.share < MIN_SHARE or each.waited > MAX_WAIT for each in results[:2]))


def _row(label: str, values: Sequence[str]) -> None:
    print(f"| {label} | " + " | ".join(values) + " |")


if __name__ == "__main__":
    sys.exit(main())
