"""The Pi half, as its own process on the emulated camera (or another source)."""

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from workbench.network import LOOPBACK
from workbench.processes import Program

_PATIENCE = 20.0  # seconds; a server that has nothing to restore listens within two


@dataclass(frozen=True)
class Certificate:
    """A certificate's chain, its key, and the authority that vouches for it, in PEM files."""

    chain: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class ServerSettings:
    """How a server is started: where it listens, what it shows, which broker it tells, whether it speaks TLS."""

    port: int
    broker: tuple[str, int] | None = None
    host: str = LOOPBACK
    public_host: str = LOOPBACK
    name: str = "Workbench Pi"
    source: str = "emulated"
    flags: tuple[str, ...] = ()
    certificate: Certificate | None = None

    @property
    def url(self) -> str:
        """The address it gives to others."""
        return f"{'https' if self.certificate else 'http'}://{self.public_host}:{self.port}"


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
        if certificate := settings.certificate:
            command += ["--tls-certificate", certificate.chain, "--tls-key", certificate.key]
        if settings.broker:
            host, port = settings.broker
            command += ["--mqtt-host", host, "--mqtt-port", str(port), "--public-url", settings.url]
        super().__init__("The server", command, folder / "server.log")

    async def start_and_wait(self) -> None:
        """Start it and wait until it answers; raises ScriptError with its log when it does not."""
        self.start()
        await self.wait_until(self._healthy, _PATIENCE)

    def token(self) -> str:
        """Return its access token, which is there once it answers."""
        return self._token.read_text().strip()

    def _healthy(self) -> bool:
        certificate = self.settings.certificate
        context = ssl.create_default_context(cafile=certificate.authority) if certificate else None
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2, context=context) as answer:  # noqa: S310 - http or https, ours
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, OSError):
            return False
