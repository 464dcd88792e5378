"""Why a request to a server did not succeed."""

from ..const import SCHEMA


class PiMjpegError(Exception):
    """A request did not succeed. The message says why, in words for the log."""


class CannotConnectError(PiMjpegError):
    """There is no connection to the server, or it was lost, or the server took too long."""


class InvalidResponseError(PiMjpegError):
    """What answered is no pi-mjpeg server, or one of another version."""


class UnauthorisedError(PiMjpegError):
    """The server wants a token, or another one than it was given."""


class UntrustedError(PiMjpegError):
    """The server showed a certificate that is not accepted, and was sent nothing.

    `fingerprint` is that certificate's, in hexadecimal; it is empty when the certificate could not be verified.
    """

    def __init__(self, message: str, fingerprint: str = "") -> None:
        super().__init__(message)
        self.fingerprint = fingerprint


class IncompatibleError(InvalidResponseError):
    """The server speaks another version of the contract; `schema` is the number it names."""

    def __init__(self, schema: object) -> None:
        super().__init__(
            f"the server's documents have schema {str(schema)[:20]}, this version reads {SCHEMA}: "
            "update the older one of the server and the integration"
        )
        self.schema = schema


class RefusedError(PiMjpegError):
    """The server understood and said no; `code` and the message are the server's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
