"""What the connection to the broker is secured with: the password and TLS, read anew for each try to connect."""

import ssl

from pi_mjpeg_server.config import ConfigurationError, MqttSettings

_MAX_PASSWORD = 4096


def check(settings: MqttSettings) -> None:
    """Raise `ConfigurationError` when the password or what TLS needs cannot be had."""
    try:
        password(settings)
        tls(settings)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"[mqtt] a file cannot be used: {error}") from error


def password(settings: MqttSettings) -> str | None:
    """Return the password, the first line of its file.

    Raises `OSError` when the file cannot be read and `ValueError` when what is in it is no password.
    """
    if settings.password_file is None:
        return None
    with settings.password_file.open(encoding="utf-8") as file:
        text = file.read(_MAX_PASSWORD + 1)
    if not text.strip() or len(text) > _MAX_PASSWORD:
        raise ValueError(f"{settings.password_file} holds no password")
    return text.splitlines()[0]


def tls(settings: MqttSettings) -> ssl.SSLContext | None:
    """Return what TLS verifies the broker by, and shows it; `None` without TLS.

    Raises `OSError`, of which `ssl.SSLError` is one, when a file cannot be read or is not what it should be.
    """
    if not settings.tls:
        return None
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.client_certificate is not None:
        # A key with a pass phrase would ask for it on the terminal that a service does not have.
        context.load_cert_chain(settings.client_certificate, settings.client_key, password=_no_pass_phrase)
    return context


def _no_pass_phrase() -> str:
    raise ValueError("the key has a pass phrase; give one without")
