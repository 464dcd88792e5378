"""How a command ends: its exit code, and the sentence on standard error."""

import sys

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h. The systemd unit does not restart the service after it, because that would not help."""


def report(error: Exception | str, code: int) -> int:
    """Print an error whose message is for the user, and return the exit code."""
    print(f"pi-mjpeg: {error}", file=sys.stderr)
    return code
