"""Error messages about the configuration: where the mistake is, what is wrong, and what was probably meant."""

import difflib
from collections.abc import Iterable


class ConfigurationError(Exception):
    """The configuration cannot be used. Each of the `mistakes` is a line that names the place and the mistake."""

    def __init__(self, *mistakes: str) -> None:
        """Take at least one mistake."""
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def unknown_key(section: str, key: str, known: Iterable[str]) -> str:
    """Return a message about an unknown key that suggests the most similar known one."""
    known = sorted(known)
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else "known are: " + ", ".join(known)
    return f"[{section}] has no key {key!r}; {meant}"
