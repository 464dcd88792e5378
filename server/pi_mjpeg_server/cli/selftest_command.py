"""The command `selftest`."""

import argparse
import signal

from pi_mjpeg_server.cli.configured import configuration_of
from pi_mjpeg_server.cli.outcome import EXIT_FAILED


def selftest(parsed: argparse.Namespace) -> int:
    """Check this machine and its cameras, and print a report in Markdown."""
    from pi_mjpeg_server.selftest.selftest import selftest as check

    for number in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C: what a lost connection of ssh ends still sets the controls back, and writes its report to a file.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    report, successful = check(configuration_of(parsed), parsed.seconds)
    print(report, end="")
    return 0 if successful else EXIT_FAILED
