"""The server's certificate: loaded before anybody connects, and anew on SIGHUP without losing a viewer."""

import logging
import ssl
from pathlib import Path

_LOGGER = logging.getLogger(__name__)


class CertificateError(Exception):
    """The certificate cannot be used; the message says why."""


class Certificate:
    """A certificate chain and its key. Connections that are open keep the one they began with."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Load them. Raises `CertificateError`."""
        self._chain = chain
        self._key = key
        self.context = self._loaded()

    def reload(self) -> None:
        """Take over what the files hold now; what cannot be used is logged, and the old one goes on."""
        try:
            # On a context of its own first: half a change would leave this one with a key that is not its chain's.
            self._loaded()
            self.context.load_cert_chain(self._chain, self._key, _no_password)
        except (CertificateError, OSError) as error:
            _LOGGER.error("the certificate stays the old one: %s", error)  # noqa: TRY400  (one line says it all)
        else:
            _LOGGER.info("the certificate was read anew")

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._chain, self._key, _no_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise CertificateError(f"tls_certificate {self._chain} with tls_key {self._key}: {reason}") from error
        return context


def _no_password() -> str:
    """Keep OpenSSL from asking a terminal that nobody looks at."""
    raise ValueError("the key is protected by a password, and there is nobody to ask for it")
