"""Names that a driver gives: of models, controls and menu entries. They may hold any bytes."""

_MAX_LENGTH = 200


def driver_text(raw: bytes) -> str:
    """Return a driver's text without control characters, which no document and no log may hold; it may be empty."""
    text = raw.partition(b"\0")[0].decode(errors="replace")
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:_MAX_LENGTH]
