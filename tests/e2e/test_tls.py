"""TLS is switched on at a Pi that Home Assistant knows, with a certificate that nobody else does."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from workbench.hass_client import until
from workbench.house import House
from workbench.server import Certificate, Server

from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.pictures import size
from tests.e2e.recordings import filmed

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _certificate(folder: Path) -> Certificate:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    made = Certificate(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem")
    made.chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    made.key.write_bytes(issued.private_key_pem.bytes())
    made.authority.write_bytes(authority.cert_pem.bytes())
    return made


async def _entry_of(house: House) -> str:
    (entry,) = await house.client.command("config_entries/get", domain="pi_mjpeg")
    return str(entry["entry_id"])


async def _reconfigured(house: House, url: str, *steps: str) -> None:
    """Reconfigure the server to be at URL, which leads over STEPS."""
    flows = "/api/config/config_entries/flow"
    flow = await house.client.post(flows, {"handler": "pi_mjpeg", "entry_id": await _entry_of(house)})
    flow = await house.client.post(f"{flows}/{flow['flow_id']}", {"url": url})
    for step in steps:
        assert flow.get("step_id") == step, flow
        flow = await house.client.post(f"{flows}/{flow['flow_id']}", {})
    assert flow["reason"] == "reconfigure_successful"

    async def available() -> bool:
        return await house.client.state(house.camera) in {"idle", "streaming"}

    await until(available, "the camera is available")


@pytest_asyncio.fixture(loop_scope="session")
async def secured(house: House, tmp_path: Path) -> AsyncIterator[Server]:
    """The house's server with TLS, until the test is over."""
    settings = replace(house.server.settings, certificate=_certificate(tmp_path))
    server = Server(ENVIRONMENT, house.server.log.parent, settings)
    house.server.stop()
    await server.start_and_wait()
    yield server
    server.stop()
    await house.server.start_and_wait()
    await _reconfigured(house, house.server.url)


async def test_a_server_of_its_own_authority_is_confirmed_and_shown(house: House, secured: Server) -> None:
    async def asked() -> bool:
        issues = (await house.client.command("repairs/list_issues"))["issues"]
        return any(issue["translation_key"] == "address_unconfirmed" for issue in issues)

    await until(asked, "Home Assistant asks to confirm the address that is announced over MQTT")
    await _reconfigured(house, secured.url, "certificate")
    assert size(await house.client.still(house.camera)) == (1280, 720)
    frames = await house.client.frames(house.camera, 10)
    assert len(set(frames)) > 5
    assert await filmed(house, "secured.mp4") > 20
