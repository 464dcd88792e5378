"""A Home Assistant process with the component installed."""

import json
from collections.abc import Mapping
from pathlib import Path

from tooling import cache
from tooling.network import LOOPBACK, answers
from tooling.processes import Program

_START_TIMEOUT = 180.0  # seconds; a first start takes 8 on two cores, and a Raspberry Pi is slower


class HomeAssistant(Program):
    """A `hass` process with its configuration and log in one folder."""

    def __init__(
        self, environment: Path, folder: Path, *, host: str, port: int, http: Mapping[str, object] | None = None
    ) -> None:
        """It will listen on `host`:`port`, with these further settings of `http`. `start_and_wait()` starts it."""
        self.port = port
        self._http = {"server_host": host, "server_port": port, **(http or {})}
        scheme = "https" if "ssl_certificate" in self._http else "http"
        self.url = f"{scheme}://{LOOPBACK}:{port}"
        self.configuration = folder / "config"
        command: list[str | Path] = [environment / "bin/hass", "--config", self.configuration, "--skip-pip"]
        super().__init__("Home Assistant", command, folder / "home-assistant.log")

    async def start_and_wait(self) -> None:
        """Write the configuration, start Home Assistant and wait until it listens. Raises ScriptError with its log."""
        self._configure()
        self.start()
        await self.wait_until(lambda: answers(LOOPBACK, self.port), _START_TIMEOUT)

    def _configure(self) -> None:
        """Write a configuration without default_config, which needs the network and starts slower."""
        components = self.configuration / "custom_components"
        components.mkdir(parents=True, exist_ok=True)
        link = components / "pi_mjpeg"
        link.unlink(missing_ok=True)
        link.symlink_to(cache.ROOT / "custom_components/pi_mjpeg")
        logger = {"default": "warning", "logs": {"custom_components.pi_mjpeg": "debug"}}
        # JSON is YAML.
        # `camera.record` needs `stream`, which is a part of default_config.
        settings = {"homeassistant": {"name": "Demo"}, "http": self._http, "logger": logger, "stream": {}}
        text = json.dumps(settings, indent=2)
        (self.configuration / "configuration.yaml").write_text(text)
