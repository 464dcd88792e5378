"""Run the demo until Ctrl-C, or check it once. Needs aiohttp and Pillow."""

import argparse
import asyncio
import io
import json
import shutil
import signal
import sys
from pathlib import Path

import aiohttp
from PIL import Image

from tooling import cache
from tooling.demo import options
from tooling.errors import ScriptError
from tooling.hass_client import USERNAME, new_password
from tooling.network import LOOPBACK, free_ports, is_free, own_address
from tooling.progress import say
from tooling.stack import Stack, StackSettings, running_stack

_DEFAULT_PORTS = (8000, 8123, 1883)
_FRAMES = 10  # enough for the clock in the emulated picture to move


def main() -> int:
    """Run the demo; return its exit code."""
    arguments = options(sys.argv[1:])
    name = "check" if arguments.check else "demo"
    try:
        with cache.locked(name, wait=False):
            asyncio.run(_demo(arguments, cache.folder() / name))
    except BlockingIOError:
        print(f"scripts/demo: another {name} is running: stop it first", file=sys.stderr)
        return 1
    except ScriptError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    except (aiohttp.ClientError, TimeoutError) as error:
        print(f"scripts/demo: {error!r}; the logs are under {cache.folder() / name}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 0


async def _demo(arguments: argparse.Namespace, folder: Path) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)  # type: ignore[union-attr]  # a coroutine runs in a task
    async with running_stack(_settings(arguments, folder), Path(sys.prefix)) as stack:
        if arguments.check:
            await _check(stack)
        else:
            _print_addresses(stack)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                say("stopping")
    say("stopped")


def _settings(arguments: argparse.Namespace, folder: Path) -> StackSettings:
    ports, kept = folder / "ports.json", folder / "password"
    if arguments.keep and ports.exists():
        if not kept.exists():
            message = "the last run was by an earlier version, whose password is not kept: run without --keep"
            raise ScriptError(message)
        server, home_assistant, broker = json.loads(ports.read_text())
        taken = [port for port in (server, home_assistant, broker) if not is_free(port)]
        if taken:
            message = f"port {taken[0]} is in use, and the kept demo needs it: free it, or run without --keep"
            raise ScriptError(message)
        password = kept.read_text()
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        requested = (arguments.port, arguments.home_assistant_port, arguments.broker_port)
        for port in requested:
            if port is not None and not is_free(port):
                message = f"port {port} is in use: choose another one, or let the demo choose"
                raise ScriptError(message)
        # A check leaves the default ports to a demo.
        defaults = (0, 0, 0) if arguments.check else _DEFAULT_PORTS
        wanted = (port or default for port, default in zip(requested, defaults, strict=True))
        server, home_assistant, broker = free_ports(*wanted)
        password = new_password()
        kept.touch(mode=0o600)
        kept.write_text(password)
        ports.write_text(json.dumps([server, home_assistant, broker]))
    return StackSettings(
        folder=folder,
        server_port=server,
        home_assistant_port=home_assistant,
        broker=arguments.broker or (LOOPBACK, broker),
        own_broker=arguments.broker is None,
        listen="0.0.0.0" if arguments.lan else LOOPBACK,  # noqa: S104 - the user asked for it
        public_host=own_address() if arguments.lan else LOOPBACK,
        source=arguments.source,
        password=password,
    )


def _print_addresses(stack: Stack) -> None:
    host = stack.server.settings.public_host
    print(
        f"\n  The camera in Home Assistant:  http://{host}:{stack.home_assistant.port}{stack.dashboard}\n"
        f"  User name and password:        {USERNAME} / {stack.password}\n"
        f"  The camera's own page:         {stack.server.url}/ (its token: {stack.server.token()})\n"
        "  Ctrl-C stops everything.\n",
        flush=True,
    )


async def _check(stack: Stack) -> None:
    """Check that Home Assistant proxies moving pictures and a still. Raises ScriptError if it does not."""
    frames = await stack.client.frames(stack.camera, _FRAMES)
    still = await stack.client.still(stack.camera)
    sizes = {_size(picture) for picture in (*frames, still)}
    different = len(set(frames))
    if different < 2 or len(sizes) != 1:  # noqa: PLR2004 - one picture does not move
        message = f"{stack.camera} does not move: {different} different pictures in {len(frames)}, sizes {sizes}"
        raise ScriptError(message)
    width, height = sizes.pop()
    say(
        f"{stack.camera}: {different} different pictures of {width}x{height} and a snapshot came through Home Assistant"
    )


def _size(picture: bytes) -> tuple[int, int]:
    """Decode a JPEG completely and return its width and height."""
    with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
        image.load()
        return image.size


if __name__ == "__main__":
    sys.exit(main())
