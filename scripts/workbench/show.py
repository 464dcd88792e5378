"""The demo itself: a furnished house, shown until Ctrl-C or checked once. Runs where aiohttp and Pillow are."""

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

from workbench import cache
from workbench.demo import options
from workbench.errors import ScriptError
from workbench.hass_client import PASSWORD, USERNAME
from workbench.house import House, Plan, furnished
from workbench.network import LOOPBACK, free_ports, is_free, own_address
from workbench.progress import say

_USUAL_PORTS = (8000, 8123, 1883)
_FRAMES = 10  # enough that an emulated camera's moving clock has moved


def main() -> int:
    """Run the demo; return its exit code."""
    arguments = options(sys.argv[1:])
    name = "check" if arguments.check else "demo"
    try:
        with cache.locked(name, wait=False):
            asyncio.run(_demo(arguments, cache.folder() / name))
    except BlockingIOError:
        print(f"scripts/demo: another {name} is running: stop that one first", file=sys.stderr)
        return 1
    except ScriptError as trouble:
        print(f"scripts/demo: {trouble}", file=sys.stderr)
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
    async with furnished(_plan(arguments, folder), Path(sys.prefix)) as house:
        if arguments.check:
            await _check(house)
        else:
            _tell(house)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                say("stopping")
    say("all is stopped")


def _plan(arguments: argparse.Namespace, folder: Path) -> Plan:
    ports = folder / "ports.json"
    if arguments.keep and ports.exists():
        server, home_assistant, broker = json.loads(ports.read_text())
        taken = [port for port in (server, home_assistant, broker) if not is_free(port)]
        if taken:
            message = f"port {taken[0]} is taken, and the kept demo lives there: free it, or leave --keep out"
            raise ScriptError(message)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        asked = (arguments.port, arguments.home_assistant_port, arguments.broker_port)
        for port in asked:
            if port is not None and not is_free(port):
                message = f"port {port} is taken: ask for another one, or for none"
                raise ScriptError(message)
        # Nobody looks for a check at the usual place, so it leaves that to a demo.
        usual = (0, 0, 0) if arguments.check else _USUAL_PORTS
        wanted = (port or otherwise for port, otherwise in zip(asked, usual, strict=True))
        server, home_assistant, broker = free_ports(*wanted)
        ports.write_text(json.dumps([server, home_assistant, broker]))
    return Plan(
        folder=folder,
        server_port=server,
        home_assistant_port=home_assistant,
        broker=arguments.broker or (LOOPBACK, broker),
        own_broker=arguments.broker is None,
        listen=LOOPBACK if arguments.check else "0.0.0.0",  # noqa: S104 - to look at it from another machine
        public_host=LOOPBACK if arguments.check else own_address(),
        source=arguments.source,
    )


def _tell(house: House) -> None:
    host = own_address()
    print(
        f"\n  The camera in Home Assistant:  http://{host}:{house.home_assistant.port}{house.dashboard}\n"
        f"  User name and password:        {USERNAME} / {PASSWORD}\n"
        f"  The camera's own page:         {house.server.url}/ (its token: {house.server.token()})\n"
        "  Ctrl-C stops everything.\n",
        flush=True,
    )


async def _check(house: House) -> None:
    """Prove that moving pictures come through Home Assistant; raises ScriptError when they do not."""
    frames = await house.client.frames(house.camera, _FRAMES)
    still = await house.client.still(house.camera)
    sizes = {_size(picture) for picture in (*frames, still)}
    different = len(set(frames))
    if different < 2 or len(sizes) != 1:  # noqa: PLR2004 - one picture is not a moving one
        message = f"{house.camera} does not move: {different} different pictures of {len(frames)}, sizes {sizes}"
        raise ScriptError(message)
    width, height = sizes.pop()
    say(
        f"{house.camera}: {different} different pictures of {width}x{height} and a snapshot came through Home Assistant"
    )


def _size(picture: bytes) -> tuple[int, int]:
    """Decode a JPEG whole and return its width and height."""
    with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
        image.load()
        return image.size


if __name__ == "__main__":
    sys.exit(main())
