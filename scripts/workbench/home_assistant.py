"""A real Home Assistant with the component, as its own process."""

import json
from pathlib import Path

from workbench import cache
from workbench.network import LOOPBACK, answers
from workbench.processes import Program

_PATIENCE = 180.0  # seconds; a first start takes 8 on two cores, and a Raspberry Pi is slower


class HomeAssistant(Program):
    """`hass`, with its configuration folder and log in a folder of its own."""

    def __init__(self, environment: Path, folder: Path, *, host: str, port: int) -> None:
        """Describe a Home Assistant that listens on HOST:PORT; start_and_wait() starts it."""
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self.configuration = folder / "config"
        self._host = host
        command: list[str | Path] = [environment / "bin/hass", "--config", self.configuration, "--skip-pip"]
        super().__init__("Home Assistant", command, folder / "home-assistant.log")

    async def start_and_wait(self) -> None:
        """Configure and start it, and wait until it listens; raises ScriptError with its log when it does not."""
        self._configure()
        self.start()
        await self.wait_until(lambda: answers(LOOPBACK, self.port), _PATIENCE)

    def _configure(self) -> None:
        """Write a configuration with no default_config: it would reach for the network and start slower."""
        components = self.configuration / "custom_components"
        components.mkdir(parents=True, exist_ok=True)
        link = components / "pi_mjpeg"
        link.unlink(missing_ok=True)
        link.symlink_to(cache.ROOT / "custom_components/pi_mjpeg")
        http = {"server_host": self._host, "server_port": self.port}
        logger = {"default": "warning", "logs": {"custom_components.pi_mjpeg": "debug"}}
        # JSON is YAML.
        # Recordings are made by `stream`, which is a part of default_config.
        settings = {"homeassistant": {"name": "Workbench"}, "http": http, "logger": logger, "stream": {}}
        text = json.dumps(settings, indent=2)
        (self.configuration / "configuration.yaml").write_text(text)
