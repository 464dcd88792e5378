"""scripts/demo: build the environments, then run the demo in the server's environment."""

import argparse
import os
import sys
from collections.abc import Sequence

from tooling import cache, environments
from tooling.errors import ScriptError
from tooling.programs import program


def main(argv: Sequence[str]) -> int:
    """Build the environments and replace this process by run_demo, which needs aiohttp.

    Returns an exit code, only on failure.
    """
    arguments = options(argv)
    try:
        python = environments.server() / "bin/python"
        environments.home_assistant()
        if arguments.broker is None:
            program("mosquitto")
    except ScriptError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    os.environ["PYTHONPATH"] = str(cache.ROOT / "scripts")
    return os.execv(python, [str(python), "-m", "tooling.run_demo", *argv])  # noqa: S606 - no shell is needed


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Show a camera in a real Home Assistant on this machine. Needs no preparation.",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="check that frames pass through Home Assistant, and exit")
    mode.add_argument("--keep", action="store_true", help="keep the state of the last run")
    parser.add_argument(
        "--lan", action="store_true", help="let other machines reach the demo, over plain HTTP (default: only this one)"
    )
    parser.add_argument("--source", default="emulated", help="the server's source (default: emulated)")
    parser.add_argument("--broker", type=_broker, metavar="HOST[:PORT]", help="use this broker instead of starting one")
    parser.add_argument("--port", type=_port, metavar="PORT", help="port of the server (default: 8000 if free)")
    parser.add_argument(
        "--home-assistant-port",
        type=_port,
        metavar="PORT",
        help="port of Home Assistant (default: 8123 if free)",
    )
    parser.add_argument(
        "--broker-port", type=_port, metavar="PORT", help="port of the demo's broker (default: 1883 if free)"
    )
    return parser.parse_args(argv)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:  # noqa: PLR2004 - the highest TCP port
        message = f"{text} is not a port: give a number from 1 to 65535"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _broker(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, _port(port or "1883")
