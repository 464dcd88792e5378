"""The password and the TLS context for the broker, read again for each attempt to connect."""

import ssl

from pi_mjpeg_server.config import ConfigurationError, MqttSettings

_MAX_PASSWORD_LENGTH = 4096


def check(settings: MqttSettings) -> None:
    """Raise `ConfigurationError` if the password or a file for TLS cannot be used."""
    try:
        password(settings)
        tls_context(settings)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"[mqtt] a file cannot be used: {error}") from error


def password(settings: MqttSettings) -> str | None:
    """Return the first line of the password file, or None if none is configured.

    Raises `OSError` if the file cannot be read and `ValueError` if it contains no password.
    """
    if settings.password_file is None:
        return None
    with settings.password_file.open(encoding="utf-8") as file:
        text = file.read(_MAX_PASSWORD_LENGTH + 1)
    if not text.strip() or len(text) > _MAX_PASSWORD_LENGTH:
        raise ValueError(f"{settings.password_file} contains no password")
    return text.splitlines()[0]


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
