"""The one error the scripts show to a person."""


class Trouble(Exception):  # noqa: N818 - it is what the person reads, not a class of errors
    """Something the person at the terminal can act on; the text says what to do next."""
