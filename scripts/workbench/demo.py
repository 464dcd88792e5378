"""scripts/demo: make what it needs, then show the product from inside the server's environment."""

import argparse
import os
import sys
from collections.abc import Sequence

from workbench import cache, environments
from workbench.errors import ScriptError
from workbench.programs import program


def main(argv: Sequence[str]) -> int:
    """Make the environments and the broker, and go on in workbench.show, which needs aiohttp.

    Returns only when that cannot be: with an exit code.
    """
    arguments = options(argv)
    try:
        python = environments.server() / "bin/python"
        environments.home_assistant()
        if arguments.broker is None:
            program("mosquitto")
    except ScriptError as trouble:
        print(f"scripts/demo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    os.environ["PYTHONPATH"] = str(cache.ROOT / "scripts")
    return os.execv(python, [str(python), "-m", "workbench.show", *argv])  # noqa: S606 - no shell is wanted


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Return what the person asks for."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Show a camera in a real Home Assistant on this machine. Needs no preparation.",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--check", action="store_true", help="prove that frames come through Home Assistant, and exit; loopback only"
    )
    how.add_argument("--keep", action="store_true", help="go on with the state of the last time")
    parser.add_argument("--source", default="emulated", help="the server's source (default: emulated)")
    parser.add_argument(
        "--broker", type=_broker, metavar="HOST[:PORT]", help="a broker to use instead of one of the demo's own"
    )
    parser.add_argument("--port", type=_port, metavar="PORT", help="port of the server (default: 8000, or a free one)")
    parser.add_argument(
        "--home-assistant-port",
        type=_port,
        metavar="PORT",
        help="its port (default: 8123, or a free one)",
    )
    parser.add_argument(
        "--broker-port", type=_port, metavar="PORT", help="port of the demo's own broker (default: 1883, or a free one)"
    )
    return parser.parse_args(argv)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:  # noqa: PLR2004 - TCP has no more
        message = f"{text} is no port: give a number from 1 to 65535"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _broker(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, _port(port or "1883")
