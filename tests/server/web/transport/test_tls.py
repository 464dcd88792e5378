"""HTTPS, a certificate that changes while viewers watch, and IPv6."""

import asyncio
import os
import signal
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from pi_mjpeg_server.config import ConfigurationError

from tests.server.support.scripted_camera import Script, camera, serving, until


def write(authority: trustme.CA, folder: Path) -> dict[str, Any]:
    """Write a new certificate for this machine, and return the settings that name it."""
    issued = authority.issue_cert("127.0.0.1", "localhost", "::1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return {"tls_certificate": chain, "tls_key": key}


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def serial(url: str, context: ssl.SSLContext) -> int:
    """Return the serial number of the certificate that a new connection gets."""
    port = int(url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("peercert")
    writer.close()
    return int(shown["serialNumber"], 16)


async def test_everything_works_over_tls_and_the_cookie_is_secure(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with (
        serving(tmp_path, [camera(Script())], needs_token=True, **write(authority, tmp_path)) as served,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(authority))) as client,
    ):
        assert served.url.startswith("https://")
        assert served.server.token is not None
        data = {"token": served.server.token.value}
        async with client.post(f"{served.url}/login", data=data, allow_redirects=False) as response:
            assert response.cookies["pi_mjpeg_session"]["secure"]
        bearer = {"Authorization": f"Bearer {served.server.token.value}"}
        async with client.get(f"{served.url}/api/state", headers=bearer) as response:
            assert (await response.json())["cameras"][0]["stream_url"] == f"{served.url}/cameras/front/stream"
        async with client.get(f"{served.url}/stream", headers=bearer) as response:
            for _ in range(20):
                await response.content.readuntil(b"\r\n--frame\r\n")


async def test_sighup_loads_a_new_certificate_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    authority = trustme.CA()
    settings = write(authority, tmp_path)
    trust = trusting(authority)
    async with (
        serving(tmp_path, [camera(Script())], **settings) as served,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as client,
        client.get(f"{served.url}/stream") as response,
    ):
        await response.content.readuntil(b"\r\n--frame\r\n")
        first = await serial(served.url, trust)
        write(authority, tmp_path)
        assert await serial(served.url, trust) == first
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "the certificate was reloaded" in caplog.text)
        second = await serial(served.url, trust)
        assert second != first
        settings["tls_key"].write_text("not a key")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "the old certificate stays in use" in caplog.text)
        assert await serial(served.url, trust) == second
        # The viewer's connection went on all the while.
        await response.content.readuntil(b"\r\n--frame\r\n")
        assert len(served.server.cameras[0].viewers) == 1


@pytest.mark.parametrize("text", [None, "", "not a certificate"])
async def test_an_unusable_certificate_is_a_configuration_error(tmp_path: Path, text: str | None) -> None:
    settings = write(trustme.CA(), tmp_path)
    settings["tls_certificate"].unlink()
    if text is not None:
        settings["tls_certificate"].write_text(text)
    with pytest.raises(ConfigurationError, match="tls_certificate"):
        async with serving(tmp_path, [camera(Script())], **settings):
            pass


async def test_plain_http_to_the_tls_port_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], **write(trustme.CA(), tmp_path)) as served:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_it_listens_on_ipv4_and_ipv6(tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], host=None) as served, aiohttp.ClientSession() as client:
        port = served.url.rpartition(":")[2]
        for host in (f"127.0.0.1:{port}", f"[::1]:{port}"):
            async with client.get(f"http://{host}/api/state") as response:
                state = await response.json()
            assert state["cameras"][0]["snapshot_url"] == f"http://{host}/cameras/front/snapshot.jpg"
            async with client.get(f"http://{host}/stream") as response:
                assert response.status == 200
                (viewer,) = served.server.cameras[0].viewers
                assert viewer.address == host.rpartition(":")[0].strip("[]")
            await until(lambda: not served.server.viewers)
