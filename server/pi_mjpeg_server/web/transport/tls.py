"""The server's TLS certificate: loaded at the start, and reloaded on SIGHUP while viewers watch."""

import logging
import ssl
from pathlib import Path

from pi_mjpeg_server.config import ConfigurationError, ServerSettings

_LOGGER = logging.getLogger(__name__)


class CertificateError(Exception):
    """The certificate cannot be used; the message says why."""


class Certificate:
    """A certificate chain and its key. Open connections keep the certificate that they began with."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Load both files. Raises `CertificateError`."""
        self._chain = chain
        self._key = key
        self.context = self._load()

    def reload(self) -> None:
        """Load both files again. If they cannot be used, log why and keep the old certificate."""
        try:
            # Into a new context first: a failure half-way would leave this one with a key of another certificate.
            self._load()
            self.context.load_cert_chain(self._chain, self._key, _refuse_password)
        except (CertificateError, OSError) as error:
            _LOGGER.error("the old certificate stays in use: %s", error)  # noqa: TRY400  (one line says it all)
        else:
            _LOGGER.info("the certificate was reloaded")

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._chain, self._key, _refuse_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise CertificateError(f"tls_certificate {self._chain} with tls_key {self._key}: {reason}") from error
        return context


def load_certificate(settings: ServerSettings) -> Certificate | None:
    """Return the certificate, or None for a server without TLS. Raises `ConfigurationError`."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return Certificate(settings.tls_certificate, settings.tls_key)
    except CertificateError as error:
        raise ConfigurationError(str(error)) from error


def _refuse_password() -> str:
    """Keep OpenSSL from asking for a password at a terminal that nobody looks at."""
    raise ValueError("the key is protected by a password, and there is nobody to ask for it")
