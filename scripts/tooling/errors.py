"""The error that the scripts print without a traceback."""


class ScriptError(Exception):
    """An error that the user can act on. The message says what to do next."""
