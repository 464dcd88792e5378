"""Reads a configuration file as text, in the encodings that editors write."""

import codecs
from pathlib import Path

from pi_mjpeg_server.config.errors import ConfigurationError

_MAX_BYTES = 1_000_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before those of UTF-16, with which they begin.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(file: Path) -> str:
    """Return the text of a file, with LF as the line end: UTF-8, or UTF-16 as Windows writes it, marked or not.

    Raises `ConfigurationError` that says what to do; for bytes that are not UTF-8 it names the line.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ConfigurationError(f"{file}: this is no configuration, it is larger than a megabyte")
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    return decode(data, file)


def decode(data: bytes, file: Path) -> str:
    """Return the text in these bytes of `file`. Raises `ConfigurationError` as `read_text` does."""
    encoding, begin = _encoding(data)
    try:
        text = data[begin:].decode(encoding)
    except UnicodeDecodeError as error:
        raise ConfigurationError(_undecodable(file, data, begin + error.start, encoding)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> tuple[str, int]:
    """Return the encoding of the bytes, and where the text begins."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    # TOML is mostly ASCII, which in UTF-16 has a zero in every second byte.
    if data[1:2] == b"\0":
        return "utf-16-le", 0
    return ("utf-16-be", 0) if data[:1] == b"\0" else ("utf-8", 0)


def _undecodable(file: Path, data: bytes, position: int, encoding: str) -> str:
    if encoding != "utf-8":
        return f"{file}: this is no text in {encoding.upper()}, as its first bytes say: save it as UTF-8"
    line = data[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
    byte = data[position]
    meant = bytes([byte]).decode("cp1252", errors="ignore")
    shown = f"the byte 0x{byte:02x}" + (f", in Windows-1252 {meant!r}," if meant.isprintable() and meant else "")
    return f"{file}, line {line}: {shown} is not UTF-8: save the file as UTF-8"
