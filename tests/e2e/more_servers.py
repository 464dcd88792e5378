"""More servers in the Home Assistant of the stack, so that several tests have one wait."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tooling.network import free_ports
from tooling.server import Server, ServerSettings
from tooling.stack import Stack

from tests.e2e.conftest import ENVIRONMENT


@asynccontextmanager
async def more_servers(
    stack: Stack, folder: Path, flags: Mapping[str, tuple[str, ...]]
) -> AsyncIterator[dict[str, Server]]:
    """Run a server for each name, with these flags, and add it to Home Assistant. They are by entity id."""
    running: dict[str, Server] = {}
    entries: list[str] = []
    ports = free_ports(*(0 for _ in flags))
    try:
        for (name, own), port in zip(flags.items(), ports, strict=True):
            settings = ServerSettings(port, broker=stack.server.settings.broker, name=f"{name} Pi", flags=own)
            server = Server(ENVIRONMENT, folder / name, settings)
            await server.start_and_wait()
            entries.append(await stack.client.add_server(server.url, server.token()))
            running[await stack.client.camera(entries[-1])] = server
        yield running
    finally:
        for entry in entries:
            await stack.client.remove_server(entry)
        for server in running.values():
            server.stop()
