"""Why there is no connection to the broker, in words that say what to do, and whether trying again soon can help."""

import socket
import ssl
from dataclasses import dataclass

from paho.mqtt.reasoncodes import ReasonCode

_PASSING = frozenset(
    {"Server unavailable", "Server busy", "Server shutting down", "Quota exceeded", "Connection rate exceeded"}
)
"""Refusals (MQTT 5, table 2-6) that the broker takes back by itself; for all others somebody has to act."""


_UNREACHABLE: dict[type[OSError], str] = {
    socket.gaierror: "its name is not known here",
    TimeoutError: "it does not answer",
    ConnectionRefusedError: "nothing listens there",
}


@dataclass(frozen=True, slots=True)
class DisconnectReason:
    """Why a connection ended or did not come about; a `refused` one will be refused again until somebody acts."""

    reason: str
    refused: bool = False
    other_version: bool = False
    """Whether the broker may speak the other version of MQTT."""


SILENT = DisconnectReason("it accepts the connection and says nothing", other_version=True)
HUNG_UP = DisconnectReason(
    "it hung up instead of an answer; perhaps it wants TLS (or none), or a client certificate",
    refused=True,
    other_version=True,
)
GARBAGE = DisconnectReason("what it sends is not MQTT; check host and port", refused=True, other_version=True)
TOO_LARGE = DisconnectReason("it sent a message that is too large to be for us", refused=True)


def refused(reason: ReasonCode) -> DisconnectReason:
    """Return what a CONNACK says that is no welcome."""
    words = reason.getName()
    if words == "Unsupported protocol version":
        return DisconnectReason("it speaks another version of MQTT", other_version=True)
    advice = "; check username and password_file" if words in {"Bad user name or password", "Not authorized"} else ""
    return DisconnectReason(f"it refuses us: {words}{advice}", refused=words not in _PASSING)


def lost(reason: ReasonCode) -> DisconnectReason:
    """Return what became of a connection that was there."""
    return DisconnectReason(f"the connection ended: {reason.getName()}")


def failed(error: OSError | ValueError) -> DisconnectReason:
    """Return what an error in getting ready or connecting means."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            reason = f"its certificate is not accepted: {why}; check ca_file, host and this machine's clock"
            return DisconnectReason(reason, refused=True)
        case ssl.SSLError():
            why = (error.reason or str(error)).replace("_", " ").lower()
            reason = f"TLS fails: {why}; check port, ca_file, client_certificate and client_key"
            return DisconnectReason(reason, refused=True)
        case ConnectionResetError() | BrokenPipeError():
            return HUNG_UP
        case OSError(filename=file) if file:
            return DisconnectReason(f"{file}: {error.strerror}", refused=True)
        case OSError():
            return DisconnectReason(_UNREACHABLE.get(type(error), error.strerror or str(error)))
        case _:
            return DisconnectReason(str(error), refused=True)
