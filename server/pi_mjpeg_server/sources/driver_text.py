"""Texts of drivers, libraries and file names, which may hold any bytes, as documents and logs may hold them."""

MAX_NAME_LENGTH = 200
_MAX_LENGTH = 1000


def driver_text(raw: bytes) -> str:
    """Return a driver's name of something on one line without control characters; it may be empty."""
    return printable(raw.partition(b"\0")[0].decode(errors="replace"), MAX_NAME_LENGTH)


def printable(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Return a text on one line, at most so long, without what no JSON document, MQTT message or log may hold.

    That is control characters, among them those that turn the direction of writing, and the halves of characters by
    which Python stands for the bytes of a file name that is not UTF-8.
    """
    visible = "".join(character if character.isprintable() else " " for character in text[: 4 * max_length])
    return " ".join(visible.split())[:max_length]
