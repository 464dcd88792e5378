"""A thousand connections at once that mean no good, while one viewer watches.

    python -m benchmarks.hail --seconds 30

A third of them says nothing, a third drips a header byte by byte, a third sends requests as fast as it can. It exits
with 1 when the viewer gets less than 95 % of the pictures, or when the server does not end the silent ones.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.scripted import Script, camera, serving, until
from tests.server.test_freshness import watching

CONNECTIONS = 1000


class Hail:
    """All bad connections together: how many are open, how many the server ended, what it answered."""

    def __init__(self, url: str) -> None:
        """Aim at this server, which has to be on loopback."""
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self.ended = 0
        self.answered = 0

    async def fall(self, number: int, until_when: float) -> None:
        """Open one connection after the other and misuse each in the way that its number says."""
        while time.monotonic() < until_when:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    async with asyncio.timeout_at(asyncio.get_running_loop().time() + until_when - time.monotonic()):
                        await (self._silent, self._dripping, self._hasty)[number % 3](reader, writer)
                    self.ended += 1
                finally:
                    writer.close()
            await asyncio.sleep(random.random())  # noqa: S311  (spread)

    async def _silent(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def _dripping(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            if reader.at_eof():
                return
            await asyncio.sleep(1)

    async def _hasty(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(20):
            writer.write(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            self.answered += 1
            await asyncio.sleep(0.2)


async def measure(seconds: float) -> bool:
    """Print what the viewer saw; return whether it is good enough."""
    script = Script(fps=30, padding=30_000)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as watch:
        async with serving(Path(folder), [camera(script)]) as served:
            viewer = await asyncio.to_thread(lambda: watch.enter_context(watching(served.url, None)))
            await until(lambda: bool(viewer.ages))
            made, seen = script.frames, len(viewer.ages)
            hail = Hail(served.url)
            end = time.monotonic() + seconds
            await asyncio.gather(*(hail.fall(number, end) for number in range(CONNECTIONS)))
            share = (len(viewer.ages) - seen) / (script.frames - made)
            print(f"{CONNECTIONS} at once for {seconds:g} s: {hail.answered} requests answered")
            print(f"{hail.ended} of the connections were ended by the server")
            print(f"the viewer got {share:.1%} of {script.frames - made} pictures")
            return share > 0.95 and hail.ended > 0  # noqa: PLR2004  (the bound that is named above)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    return int(not asyncio.run(measure(parser.parse_args().seconds)))


if __name__ == "__main__":
    sys.exit(main())
