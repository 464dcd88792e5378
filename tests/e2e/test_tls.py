"""A configured server switches to TLS with a certificate that Home Assistant does not trust."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tooling.hass_client import until
from tooling.server import Server
from tooling.stack import Stack

from tests.e2e.certificates import make_certificate
from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.pictures import size
from tests.e2e.recordings import record

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _entry_of(stack: Stack) -> str:
    (entry,) = await stack.client.command("config_entries/get", domain="pi_mjpeg")
    return str(entry["entry_id"])


async def _reconfigure(stack: Stack, url: str, *steps: str) -> None:
    """Run the reconfigure flow with a new URL and check the steps it shows."""
    flows = "/api/config/config_entries/flow"
    flow = await stack.client.post(flows, {"handler": "pi_mjpeg", "entry_id": await _entry_of(stack)})
    flow = await stack.client.post(f"{flows}/{flow['flow_id']}", {"url": url})
    for step in steps:
        assert flow.get("step_id") == step, flow
        flow = await stack.client.post(f"{flows}/{flow['flow_id']}", {})
    assert flow["reason"] == "reconfigure_successful"

    async def available() -> bool:
        return await stack.client.state(stack.camera) in {"idle", "streaming"}

    await until(available, "the camera is available")


@pytest_asyncio.fixture(loop_scope="session")
async def tls_server(stack: Stack, tmp_path: Path) -> AsyncIterator[Server]:
    """The stack's server, restarted with TLS for one test."""
    settings = replace(stack.server.settings, certificate=make_certificate(tmp_path))
    server = Server(ENVIRONMENT, stack.server.log.parent, settings)
    stack.server.stop()
    await server.start_and_wait()
    yield server
    server.stop()
    await stack.server.start_and_wait()
    await _reconfigure(stack, stack.server.url)


async def test_an_untrusted_certificate_is_accepted_and_the_camera_works(stack: Stack, tls_server: Server) -> None:
    async def issue_raised() -> bool:
        issues = (await stack.client.command("repairs/list_issues"))["issues"]
        return any(issue["translation_key"] == "address_unconfirmed" for issue in issues)

    await until(issue_raised, "Home Assistant asks to confirm the address that is announced over MQTT")
    await _reconfigure(stack, tls_server.url, "certificate")
    assert size(await stack.client.still(stack.camera)) == (1280, 720)
    frames = await stack.client.frames(stack.camera, 10)
    assert len(set(frames)) > 5
    assert (await record(stack, "tls.mp4")).frames > 20
