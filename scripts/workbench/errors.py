"""The one error the scripts show to a person."""


class ScriptError(Exception):
    """Something the person at the terminal can act on; the text says what to do next."""
