"""Why there is no connection to the broker: a text that says what to do, and whether to retry soon."""

import socket
import ssl
from dataclasses import dataclass

from paho.mqtt.reasoncodes import ReasonCode

_TEMPORARY_REFUSALS = frozenset(
    {"Server unavailable", "Server busy", "Server shutting down", "Quota exceeded", "Connection rate exceeded"}
)
"""CONNACK reasons (MQTT 5, table 2-6) that pass by themselves; for all others somebody has to act."""


_UNREACHABLE: dict[type[OSError], str] = {
    socket.gaierror: "its host name cannot be resolved",
    TimeoutError: "it does not answer",
    ConnectionRefusedError: "nothing listens there",
}


@dataclass(frozen=True, slots=True)
class DisconnectReason:
    """Why a connection ended or could not be made."""

    text: str
    refused: bool = False
    """Whether the next attempt fails, too, until somebody acts."""
    try_other_version: bool = False
    """Whether the broker may speak the other version of MQTT."""


NO_CONNACK = DisconnectReason("it accepts the connection but does not answer", try_other_version=True)
CLOSED_BEFORE_CONNACK = DisconnectReason(
    "it closed the connection without an answer; it may require TLS (or no TLS), or a client certificate",
    refused=True,
    try_other_version=True,
)
NOT_MQTT = DisconnectReason(
    "its answer is not MQTT; check host and port",
    refused=True,
    try_other_version=True,
)
PACKET_TOO_LARGE = DisconnectReason("it sent a packet that is too large for this server", refused=True)


def from_connack(code: ReasonCode) -> DisconnectReason:
    """Return the reason for a CONNACK that refuses the connection."""
    name = code.getName()
    if name == "Unsupported protocol version":
        return DisconnectReason("it speaks another version of MQTT", try_other_version=True)
    advice = "; check username and password_file" if name in {"Bad user name or password", "Not authorized"} else ""
    return DisconnectReason(f"it refuses the connection: {name}{advice}", refused=name not in _TEMPORARY_REFUSALS)


def from_disconnect(code: ReasonCode) -> DisconnectReason:
    """Return the reason for the end of a connection that the broker had accepted."""
    return DisconnectReason(f"the connection ended: {code.getName()}")


def from_error(error: OSError | ValueError) -> DisconnectReason:
    """Return the reason for an error while the credentials were read or the connection was opened."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            text = f"its certificate is not accepted: {why}; check ca_file, host and this machine's clock"
            return DisconnectReason(text, refused=True)
        case ssl.SSLError():
            why = (error.reason or str(error)).replace("_", " ").lower()
            text = f"TLS fails: {why}; check port, ca_file, client_certificate and client_key"
            return DisconnectReason(text, refused=True)
        case ConnectionResetError() | BrokenPipeError():
            return CLOSED_BEFORE_CONNACK
        case OSError(filename=file) if file:
            return DisconnectReason(f"{file}: {error.strerror}", refused=True)
        case OSError():
            return DisconnectReason(_UNREACHABLE.get(type(error), error.strerror or str(error)))
        case _:
            return DisconnectReason(str(error), refused=True)
