"""The certificate that install-service --tls makes, with the real openssl and a real TLS client."""

import asyncio
import ipaddress
import os
import re
import socket
import ssl
import stat
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pi_mjpeg_server.config import ConfigurationError, load
from pi_mjpeg_server.system import self_signed, service
from pi_mjpeg_server.system.self_signed import SelfSigned, SelfSignedError
from pi_mjpeg_server.system.unit import unit_text

from tests.server.support.scripted_camera import Script, camera, serving
from tests.server.system.test_service import PLAIN, lines, pi_mjpeg, root

__all__ = ["root"]


@pytest.fixture
def files(tmp_path: Path) -> SelfSigned:
    return SelfSigned(tmp_path / "etc/pi-mjpeg")


async def test_a_client_that_pins_the_fingerprint_accepts_this_certificate_and_no_other(
    files: SelfSigned, tmp_path: Path
) -> None:
    assert await asyncio.to_thread(files.make)
    fingerprint = bytes.fromhex(files.fingerprint.replace(":", ""))
    settings: dict[str, Any] = {"tls_certificate": files.certificate, "tls_key": files.key}
    async with serving(tmp_path, [camera(Script())], **settings) as served, aiohttp.ClientSession() as client:
        async with client.get(f"{served.url}/healthz", ssl=aiohttp.Fingerprint(fingerprint)) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ServerFingerprintMismatch):
            await client.get(f"{served.url}/healthz", ssl=aiohttp.Fingerprint(bytes(32)))
        # A client that trusts the file itself verifies the name and the address as well, as `curl --cacert` does.
        trust = ssl.create_default_context(cafile=files.certificate)
        for host in ("127.0.0.1", "localhost"):
            async with client.get(f"{served.url.replace('127.0.0.1', host)}/healthz", ssl=trust) as response:
                assert response.status == 200


def test_it_is_valid_for_years_and_for_all_names_and_addresses_of_this_machine(
    files: SelfSigned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "garden.fritz.box")
    files.make()
    found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 3650
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "garden.fritz.box"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    expected = ["garden.fritz.box", "garden", "garden.local", "localhost"]
    assert names.get_values_for_type(x509.DNSName) == expected
    addresses = names.get_values_for_type(x509.IPAddress)
    assert {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")} < {*addresses}
    assert len(addresses) == len(set(addresses))
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    printed = subprocess.run(  # noqa: S603
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", files.certificate],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip().partition("=")[2] == files.fingerprint


@pytest.mark.parametrize("name", ["a name\nwith a line", "x" * 80, "", "[extensions]", "$HOME", "pi_cam"])
def test_an_odd_host_name_is_left_out(files: SelfSigned, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    files.make()
    found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_only_the_owner_can_read_the_key_whatever_the_umask_is(files: SelfSigned) -> None:
    before = os.umask(0)
    try:
        files.make()
    finally:
        os.umask(before)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.certificate.stat().st_mode) == 0o644
    assert sorted(files.folder.iterdir()) == [files.certificate, files.key]


def test_a_certificate_that_is_there_is_never_overwritten(files: SelfSigned) -> None:
    files.make()
    contents = files.certificate.read_bytes(), files.key.read_bytes()
    assert not files.make()
    assert (files.certificate.read_bytes(), files.key.read_bytes()) == contents
    files.certificate.unlink()
    with pytest.raises(SelfSignedError, match=r"there is .*key\.pem, but no .*certificate\.pem"):
        files.make()
    assert files.key.read_bytes() == contents[1]
    files.key.unlink()
    # A link that leads nowhere is somebody's plan too.
    files.certificate.symlink_to("/nowhere")
    with pytest.raises(SelfSignedError, match=r"there is .*certificate\.pem, but no .*key\.pem"):
        files.make()
    assert files.certificate.is_symlink()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a program openssl, which is the only one on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin/openssl"


def test_without_openssl_or_when_it_fails_the_reason_is_told_and_nothing_is_written(
    files: SelfSigned, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SelfSignedError, match="apt install openssl"):
        files.make()
    program.write_text("#!/bin/sh\necho no entropy >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(SelfSignedError, match="no entropy"):
        files.make()
    program.write_text("#!/bin/sh\nread forever < /dev/zero\n")
    monkeypatch.setattr(self_signed, "_TIMEOUT", 0.2)
    with pytest.raises(SelfSignedError, match=r"takes over 0\.2 s"):
        files.make()
    assert not files.folder.exists()


def test_the_service_serves_https_with_it_and_the_report_has_the_fingerprint(root: Path) -> None:
    files = SelfSigned(root / "etc/pi-mjpeg")
    settings = service.with_self_signed(PLAIN, load(None, {}, {}), files)
    for said in ("was made", "was there already"):
        report = service.install(settings, root, files)
        assert said in report
        assert re.search(rf"^{files.fingerprint}$", report, re.MULTILINE)
    text = (root / "etc/systemd/system/pi-mjpeg.service").read_text()
    assert lines(text, "LoadCredential") == [f"tls-certificate:{files.certificate}", f"tls-key:{files.key}"]
    assert "PI_MJPEG_TLS_CERTIFICATE=%d/tls-certificate" in lines(text, "Environment")
    assert "PI_MJPEG_TLS_KEY=%d/tls-key" in lines(text, "Environment")


def test_where_no_certificate_can_be_made_the_unit_stays_as_it_is(root: Path) -> None:
    service.install(PLAIN, root)
    files = SelfSigned(root / "etc/pi-mjpeg")
    files.folder.mkdir()
    files.key.write_text("of somebody else")
    with pytest.raises(SelfSignedError):
        service.install(service.with_self_signed(PLAIN, load(None, {}, {}), files), root, files)
    assert (root / "etc/systemd/system/pi-mjpeg.service").read_text() == unit_text(PLAIN)
    files.certificate.write_text("no certificate either")
    with pytest.raises(SelfSignedError, match="not a certificate in PEM"):
        service.install(service.with_self_signed(PLAIN, load(None, {}, {}), files), root, files)
    assert (root / "etc/systemd/system/pi-mjpeg.service").read_text() == unit_text(PLAIN)


def test_a_configured_certificate_and_tls_contradict_each_other(files: SelfSigned) -> None:
    flags = {"--tls-certificate": "/etc/a.pem", "--tls-key": "/etc/b.pem"}
    with pytest.raises(ConfigurationError, match="leave out --tls"):
        service.with_self_signed(PLAIN, load(None, {}, flags), files)


def test_print_shows_the_unit_with_tls_and_makes_nothing() -> None:
    there = Path("/etc/pi-mjpeg").exists()
    done = pi_mjpeg("--print", "--tls")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout, "LoadCredential") == [
        "tls-certificate:/etc/pi-mjpeg/certificate.pem",
        "tls-key:/etc/pi-mjpeg/key.pem",
    ]
    assert Path("/etc/pi-mjpeg").exists() == there
