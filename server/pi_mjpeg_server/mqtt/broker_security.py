"""The password and the TLS context for the broker, read again for each attempt to connect."""

import ssl

from pi_mjpeg_server.config import ConfigurationError, MqttSettings
from pi_mjpeg_server.config.encoding import decode

_MAX_PASSWORD_BYTES = 4096


def check(settings: MqttSettings) -> None:
    """Raise `ConfigurationError` if the password or a file for TLS cannot be used."""
    try:
        password(settings)
        tls_context(settings)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"[mqtt] a file cannot be used: {error}") from error


def password(settings: MqttSettings) -> str | None:
    """Return the first line of the password file, or None if none is configured.

    The file may be marked, or in UTF-16, as editors on Windows write it. Raises `OSError` if it cannot be read and
    `ValueError` if it contains no password.
    """
    if settings.password_file is None:
        return None
    with settings.password_file.open("rb") as file:
        data = file.read(_MAX_PASSWORD_BYTES + 1)
    try:
        text = decode(data, settings.password_file)
    except ConfigurationError as error:
        # Not in its words, which quote what was read.
        raise ValueError(f"{settings.password_file} is not UTF-8: save it as UTF-8") from error
    if not text.strip() or len(data) > _MAX_PASSWORD_BYTES:
        raise ValueError(f"{settings.password_file} contains no password")
    return text.split("\n", 1)[0]


def tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    """Return a context with the trusted authorities and the client certificate, or None without TLS.

    Raises `OSError` (`ssl.SSLError` is one) if a file cannot be read or is not valid.
    """
    if not settings.tls:
        return None
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.client_certificate is not None:
        # Without a callback, OpenSSL would ask for a pass phrase on the terminal, which a service does not have.
        context.load_cert_chain(settings.client_certificate, settings.client_key, password=_refuse_pass_phrase)
    return context


def _refuse_pass_phrase() -> str:
    raise ValueError("the key has a pass phrase; use a key without one")
