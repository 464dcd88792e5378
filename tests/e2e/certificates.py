"""Certificates for servers on loopback."""

from pathlib import Path

import trustme
from tooling.server import Certificate


def make_certificate(folder: Path) -> Certificate:
    """Write a certificate for 127.0.0.1, its key and its authority to a folder."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    made = Certificate(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem")
    made.chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    made.key.write_bytes(issued.private_key_pem.bytes())
    made.authority.write_bytes(authority.cert_pem.bytes())
    return made
