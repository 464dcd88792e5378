"""A `pi-mjpeg` process, by default with the emulated camera."""

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tooling.network import LOOPBACK
from tooling.processes import Program

_START_TIMEOUT = 20.0  # seconds; it usually listens within two


@dataclass(frozen=True)
class Certificate:
    """The PEM files of a certificate chain, its key and its certificate authority."""

    chain: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class ServerSettings:
    """The address, camera source, broker and certificate of a server."""

    port: int
    broker: tuple[str, int] | None = None
    host: str = LOOPBACK
    public_host: str = LOOPBACK
    name: str = "Demo Pi"
    source: str = "emulated"
    flags: tuple[str, ...] = ()
    certificate: Certificate | None = None

    @property
    def url(self) -> str:
        """The URL that the server announces."""
        return f"{'https' if self.certificate else 'http'}://{self.public_host}:{self.port}"


class Server(Program):
    """A `pi-mjpeg run` process with its state and log in one folder."""

    def __init__(self, environment: Path, folder: Path, settings: ServerSettings) -> None:
        """`start_and_wait()` starts the server."""
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
        """Start the server and wait until it answers. Raises ScriptError with its log if it does not."""
        self.start()
        await self.wait_until(self._healthy, _START_TIMEOUT)

    def token(self) -> str:
        """Return the access token. It exists once the server answers."""
        return self._token.read_text().strip()

    def _healthy(self) -> bool:
        certificate = self.settings.certificate
        context = ssl.create_default_context(cafile=certificate.authority) if certificate else None
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2, context=context) as answer:  # noqa: S310 - the URL is our own
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, OSError):
            return False
