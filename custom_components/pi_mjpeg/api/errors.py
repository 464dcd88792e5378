"""Why a request to a server failed."""

from ..const import SCHEMA


def schema_number(schema: object) -> str:
    """Return the schema number of a document as an error message says it. A document may have anything in its place."""
    return str(schema)[:20] if isinstance(schema, int | float | str) else "unknown"


class PiMjpegError(Exception):
    """A request failed. The message says why, for the log."""


class CannotConnectError(PiMjpegError):
    """The server cannot be reached, the connection was lost, or the server took too long."""


class InvalidResponseError(PiMjpegError):
    """The answer is not that of a pi-mjpeg server, or of one of another version."""


class UnauthorisedError(PiMjpegError):
    """The server needs a token, or another one than it was sent."""


class UntrustedError(PiMjpegError):
    """The server's certificate is not accepted. No request was sent.

    `fingerprint` is that of the certificate, in hexadecimal. It is empty when the certificate could not be verified.
    """

    def __init__(self, message: str, fingerprint: str = "") -> None:
        super().__init__(message)
        self.fingerprint = fingerprint


class IncompatibleError(InvalidResponseError):
    """The server has another version of the contract. `schema` is its number."""

    def __init__(self, schema: object) -> None:
        super().__init__(
            f"the server's documents have schema {schema_number(schema)}, this version reads {SCHEMA}: "
            "update the older one of the server and the integration"
        )
        self.schema = schema


class RefusedError(PiMjpegError):
    """The server refused the request. `code` and the message are the server's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
