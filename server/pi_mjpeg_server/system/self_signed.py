"""A certificate that this machine signs itself, made by the program openssl: HTTPS without a name on the internet."""

import hashlib
import ipaddress
import os
import re
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ifaddr

from pi_mjpeg_server.storage.atomic_file import write_atomically

_DAYS = 3650
_TIMEOUT = 60
_HOST_NAME = re.compile(r"(?=.{1,64}$)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")

_REQUEST = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = {name}
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = {names}
"""


class SelfSignedError(Exception):
    """There is no certificate, and none can be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SelfSigned:
    """A certificate and its key, as PEM files in one folder."""

    folder: Path = Path("/etc/pi-mjpeg")

    @property
    def certificate(self) -> Path:
        """Return the path of the certificate, which everybody may read."""
        return self.folder / "certificate.pem"

    @property
    def key(self) -> Path:
        """Return the path of the key, which only the owner of the folder may read."""
        return self.folder / "key.pem"

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 fingerprint of the certificate, written as Home Assistant and openssl write it.

        Raises `OSError`, and `SelfSignedError` when the file holds no certificate.
        """
        try:
            encoded = ssl.PEM_cert_to_DER_cert(self.certificate.read_text(errors="replace").strip())
        except ValueError as error:
            raise SelfSignedError(f"{self.certificate} is not a certificate in PEM") from error
        return hashlib.sha256(encoded).digest().hex(":").upper()

    def make(self) -> bool:
        """Make the certificate and its key and return True, or return False if both are there already.

        The key is an EC key: it signs a handshake in a thirteenth of the time of RSA. The certificate is valid for ten
        years, for the names and addresses that this machine has now. Raises `SelfSignedError` and `OSError`.
        """
        files = (self.certificate, self.key)
        missing = [path for path in files if not os.path.lexists(path)]
        if not missing:
            return False
        if len(missing) == 1:
            (there,) = set(files) - set(missing)
            raise SelfSignedError(f"there is {there}, but no {missing[0]}: restore it, or move the other file away")
        certificate, key = _signed(_names())
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomically(self.key, key)
        write_atomically(self.certificate, certificate, mode=0o644)
        return True


def _signed(names: list[str]) -> tuple[bytes, bytes]:
    """Return a new certificate for these names, in the form of subjectAltName, and its key."""
    with tempfile.TemporaryDirectory() as folder:
        request, certificate, key = (Path(folder, name) for name in ("request", "certificate", "key"))
        request.write_text(_REQUEST.format(name=names[0].partition(":")[2], names=", ".join(names)))
        options = ["-x509", "-sha256", "-days", str(_DAYS), "-config", str(request)]
        files = ["-keyout", str(key), "-out", str(certificate)]
        new_key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        try:
            subprocess.run(  # noqa: S603  (all arguments are from this module)
                ["openssl", "req", *options, *new_key, *files],  # noqa: S607  (wherever this system has it)
                capture_output=True,
                text=True,
                check=True,
                timeout=_TIMEOUT,
            )
        except FileNotFoundError as error:
            raise SelfSignedError(
                "this system has no openssl, which makes the certificate: sudo apt install openssl"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise SelfSignedError(f"openssl takes over {_TIMEOUT} s to make a certificate") from error
        except subprocess.CalledProcessError as error:
            raise SelfSignedError(f"openssl could not make a certificate: {error.stderr.strip()}") from error
        return certificate.read_bytes(), key.read_bytes()


def _names() -> list[str]:
    """Return this machine's names and addresses, each once, in the form of subjectAltName."""
    machine = socket.gethostname()
    short = machine.partition(".")[0]
    hosts = [name for name in (machine, short, f"{short}.local", "localhost") if _HOST_NAME.fullmatch(name)]
    return list(dict.fromkeys([*(f"DNS:{host}" for host in hosts), *(f"IP:{address}" for address in _addresses())]))


def _addresses() -> Iterator[str]:
    """Yield this machine's addresses, without those that need a zone."""
    yield from ("127.0.0.1", "::1")
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not address.is_link_local and not address.is_loopback:
                yield str(address)
