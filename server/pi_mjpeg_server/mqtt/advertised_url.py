"""The base URL that other machines are given for this server."""

from pi_mjpeg_server.config import ServerSettings


def advertised_url(settings: ServerSettings, local_address: str | None) -> str:
    """Return `public_url` if it is configured, else a URL with `local_address`, without a slash at the end.

    `local_address` is this machine's end of the connection to the broker: a machine that reaches the broker most likely
    reaches it, too. Without a connection it is None, and the host is `localhost`.
    """
    if settings.public_url is not None:
        return settings.public_url
    host = local_address or "localhost"
    # An IPv6 address stands in brackets (RFC 3986, section 3.2.2).
    return f"{settings.scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
