"""The command `selftest`."""

import argparse

from pi_mjpeg_server.cli.configured import configuration_of
from pi_mjpeg_server.cli.outcome import EXIT_FAILED


def selftest(parsed: argparse.Namespace) -> int:
    """Check this machine and its cameras, and print a report in Markdown."""
    from pi_mjpeg_server.selftest.selftest import selftest as check

    report, successful = check(configuration_of(parsed), parsed.seconds)
    print(report, end="")
    return 0 if successful else EXIT_FAILED
