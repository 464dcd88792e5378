"""What this server has retained at the broker, kept on disk, so that it can be cleared when it is no longer wanted."""

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import voluptuous as vol

from pi_mjpeg_server.storage.atomic_file import write_atomically

FILE_NAME = "mqtt.json"
"""The name of the file in the state folder."""

_LOGGER = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000

_SCHEMA = vol.Schema(
    {
        vol.Required("topics"): [vol.All(str, vol.Length(min=1, max=1024))],
        vol.Required("components"): {str: str},
        vol.Required("claimed"): bool,
    }
)


@dataclass(slots=True)
class RetainedTopics:
    """What may stand at the broker, from this process or an earlier one."""

    topics: set[str] = field(default_factory=set)
    """The topics that may have a retained message of this server."""
    components: dict[str, str] = field(default_factory=dict)
    """The components in the core discovery document: the platform by the component's key."""
    claimed: bool = False
    """Whether Home Assistant's component claims this server."""


class RetainedTopicsStore:
    """The retained topics and their file. Errors of the disk are logged, not raised: MQTT works without the file."""

    def __init__(self, file: Path) -> None:
        """Start with no topics; `load` reads `file`."""
        self.retained = RetainedTopics()
        self._file = file
        self._saved: RetainedTopics | None = None

    async def load(self) -> None:
        """Read the file and add what is in it, the first time that this is called."""
        if self._saved is None:
            self._saved = await asyncio.to_thread(load, self._file)
            self.retained.topics |= self._saved.topics
            self.retained.components = dict(self._saved.components)
            self.retained.claimed |= self._saved.claimed

    async def save(self) -> None:
        """Write the file if anything has changed since the last time."""
        retained = self.retained
        now = replace(retained, topics=set(retained.topics), components=dict(retained.components))
        if now != self._saved:
            self._saved = now
            await asyncio.to_thread(save, self._file, now)


def load(file: Path) -> RetainedTopics:
    """Return what is in `file`: nothing if there is no file, and nothing, with a warning, if it cannot be read."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")  # noqa: TRY301  (logged like the other reasons)
        document = _SCHEMA(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return RetainedTopics()
    except (OSError, ValueError, vol.Invalid) as error:
        _LOGGER.warning("%s cannot be read, so old MQTT topics may stay at the broker: %s", file, error)
        return RetainedTopics()
    return RetainedTopics(set(document["topics"]), document["components"], document["claimed"])


def save(file: Path, retained: RetainedTopics) -> None:
    """Write `file`, with a warning if it cannot be written."""
    document = {"topics": sorted(retained.topics), "components": retained.components, "claimed": retained.claimed}
    try:
        write_atomically(file, json.dumps(document, indent=1).encode())
    except OSError as error:
        _LOGGER.warning("%s cannot be written, so old MQTT topics may stay at the broker: %s", file, error)
