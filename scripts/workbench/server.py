"""The Pi half, as its own process on the emulated camera (or another source)."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from workbench.network import LOOPBACK
from workbench.processes import Program

_PATIENCE = 20.0  # seconds; a server that has nothing to restore listens within two


@dataclass(frozen=True)
class ServerSettings:
    """How a server is started: where it listens, what it shows, which broker it tells."""

    port: int
    broker: tuple[str, int] | None = None
    host: str = LOOPBACK
    public_host: str = LOOPBACK
    name: str = "Workbench Pi"
    source: str = "emulated"
    flags: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address it gives to others."""
        return f"http://{self.public_host}:{self.port}"


class Server(Program):
    """`pi-mjpeg run`, with its state and log in a folder of its own."""

    def __init__(self, environment: Path, folder: Path, settings: ServerSettings) -> None:
        """Describe the server; start_and_wait() starts it."""
        self.settings = settings
        self.url = settings.url
        self._token = folder / "state/token"
        command: list[str | Path] = [
            environment / "bin/pi-mjpeg",
            *("run", "--host", settings.host, "--port", str(settings.port), "--name", settings.name),
            *("--source", settings.source, "--state-dir", folder / "state", "--log-level", "info"),
            *settings.flags,
        ]
        if settings.broker:
            host, port = settings.broker
            command += ["--mqtt-host", host, "--mqtt-port", str(port), "--public-url", settings.url]
        super().__init__("The server", command, folder / "server.log")

    async def start_and_wait(self) -> None:
        """Start it and wait until it answers; raises Trouble with its log when it does not."""
        self.start()
        await self.wait_until(self._healthy, _PATIENCE)

    def token(self) -> str:
        """Return its access token, which is there once it answers."""
        return self._token.read_text().strip()

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:  # noqa: S310 - http, ours
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, OSError):
            return False
