"""Validators for values from the network. They limit sizes and are strict about types."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import voluptuous as vol
from yarl import URL

MAX_TEXT = 256
MAX_URL = 1024
FIRST_YEAR = 2000
LAST_YEAR = 2100

_INVISIBLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of invisible characters: controls, surrogates, line and paragraph separators."""

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make one name look like another (https://www.unicode.org/reports/tr36/, section 2.5)."""

_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")


def text(value: object) -> str:
    """Accept a string of 1 to `MAX_TEXT` characters, all of them visible or plain spaces."""
    if not isinstance(value, str):
        raise vol.Invalid("expected a text")
    if not 0 < len(value) <= MAX_TEXT:
        raise vol.Invalid(f"expected a text of 1 to {MAX_TEXT} characters")
    # Printable characters are a subset of the visible ones, and found a hundred times as fast.
    if not (value.isprintable() or all(_is_visible(char) for char in value)):
        raise vol.Invalid("control characters are not allowed")
    return value


def sentence(value: object) -> str:
    """Accept any string, cut to `MAX_TEXT` characters, with a space for each control character.

    For sentences that quote a driver or the system: a control character in one must not cost the whole document.
    """
    if not isinstance(value, str):
        raise vol.Invalid("expected a text")
    return "".join(char if _is_visible(char) else " " for char in value[:MAX_TEXT])


def _is_visible(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE and char not in _BIDI_CONTROLS


def pattern(expression: str, what: str) -> Callable[[object], str]:
    """Return a validator of strings that match the whole `expression`. `what` names them in the error."""
    compiled = re.compile(expression, re.ASCII)

    def matching(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise vol.Invalid(f"expected {what}")
        return value

    return matching


node_id = pattern(r"[a-z0-9]{1,64}", "a node id: 1 to 64 characters of a-z and 0-9")
camera_id = pattern(r"[a-z0-9_]{1,64}", "a camera id: 1 to 64 characters of a-z, 0-9 and _")
mac_address = pattern(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", "a MAC address such as dc:a6:32:00:00:01")


def hexadecimal(digits: int) -> Callable[[object], str]:
    """Return a validator of strings of so many hexadecimal digits in lower case."""
    return pattern(rf"[0-9a-f]{{{digits}}}", f"{digits} hexadecimal digits")


def integer(minimum: int, maximum: int) -> Callable[[object], int]:
    """Return a validator of integers. Booleans are refused."""

    def bounded(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise vol.Invalid(f"expected a whole number from {minimum} to {maximum}")
        return value

    return bounded


def number(minimum: float, maximum: float) -> Callable[[object], float]:
    """Return a validator of finite numbers. Booleans are refused."""

    def bounded(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise vol.Invalid(f"expected a number from {minimum} to {maximum}")
        return float(value)

    return bounded


def timestamp(value: object) -> datetime:
    """Accept an ISO 8601 time with a time zone, of the years 2000 to 2100, and return it in UTC.

    The first and the last years that Python knows have times that no other time zone can express.
    """
    try:
        parsed = datetime.fromisoformat(text(value))
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise vol.Invalid("expected a time such as 2026-11-22T10:00:00.000Z")
    if not FIRST_YEAR <= parsed.year <= LAST_YEAR:
        raise vol.Invalid(f"expected a time of the years {FIRST_YEAR} to {LAST_YEAR}")
    return parsed.astimezone(UTC)


snapshot_id = pattern(
    r"[a-z0-9_]{1,64}-[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}", "a snapshot id such as front-20261122T100000000Z-9f3a61c2"
)
"""Of a kept snapshot: the id of a camera, the time in UTC with milliseconds, and a random part."""

_SIGNATURE = pattern(r"[A-Za-z0-9_-]{1,128}", "a signature of 1 to 128 characters of A-Z, a-z, 0-9, _ and -")


def time_in_snapshot_id(identity: str) -> datetime | None:
    """Return the time in the id of a snapshot, or None if it cannot be: the server's clock is not set."""
    digits = identity.rsplit("-", 2)[1]
    try:
        return timestamp(f"{digits[:15]}.{digits[15:18]}Z")
    except vol.Invalid:
        return None


def signed_url(value: object) -> str:
    """Accept a URL with a signature as `sig` in its query, and return the signature: of any host, no more is taken."""
    return _SIGNATURE(http_url(value).query.get("sig"))


def http_url(value: object) -> URL:
    """Accept an absolute http or https URL with a host, but without user, password or fragment."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL:
        raise vol.Invalid(f"expected a URL of up to {MAX_URL} characters")
    # yarl drops some control characters silently, so they are refused before it sees them.
    if not value.isprintable() or " " in value or "\\" in value:
        raise vol.Invalid("a URL has no spaces, backslashes or control characters")
    if "@" in value:
        raise vol.Invalid("a user name or password in the URL is not allowed")
    try:
        url = URL(value)
        usable = url.scheme in {"http", "https"} and bool(url.host) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise vol.Invalid("expected a URL such as http://192.168.1.20:8000")
    if url.raw_fragment:
        raise vol.Invalid("a fragment (#) in the URL is not allowed")
    return url


def base_url(value: object) -> URL:
    """Accept the base URL of a server: an `http_url` without a query. A slash at its end is dropped."""
    url = http_url(value)
    if url.raw_query_string:
        raise vol.Invalid("a query (?) in the server's address is not allowed")
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def escape_markdown(value: str) -> str:
    """Return `value` with Markdown escaped. Home Assistant's dialogs, which render Markdown, show it unchanged."""
    return _MARKDOWN.sub(r"\\\1", value)
