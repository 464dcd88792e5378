"""A reverse proxy that passes a response on only in full blocks, for tests that both halves run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK = 65536


@asynccontextmanager
async def block_proxy(upstream_port: int, block: int) -> AsyncIterator[int]:
    """Forward connections to a port of this machine, at a port that the `async with` block gets.

    The head of a response passes at once, and its body whenever `block` bytes have come.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", upstream_port)
        try:
            to_server.write(await client.readuntil(b"\r\n\r\n"))
            to_client.write(await server.readuntil(b"\r\n\r\n"))
            held = b""
            while data := await server.read(_CHUNK):
                held += data
                full = len(held) // block * block
                to_client.write(held[:full])
                held = held[full:]
                await to_client.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            to_client.close()
            to_server.close()

    def connected(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(client, to_client))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
