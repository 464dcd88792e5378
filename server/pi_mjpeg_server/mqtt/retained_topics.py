"""What this server has left at the broker, kept on disk, so that it can be taken back when it is no longer wanted."""

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import voluptuous as vol

FILE = "mqtt.json"
"""Its name in the state folder."""

_LOGGER = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000

_FORM = vol.Schema(
    {
        vol.Required("topics"): [vol.All(str, vol.Length(min=1, max=1024))],
        vol.Required("components"): {str: str},
        vol.Required("claimed"): bool,
    }
)


@dataclass(slots=True)
class RetainedTopics:
    """The topics that may hold something of us, the core document's components with their platforms, and the claim."""

    topics: set[str] = field(default_factory=set)
    components: dict[str, str] = field(default_factory=dict)
    claimed: bool = False


class RetainedTopicsFile:
    """A memory and the file that it is kept in. A disk that fails is no reason to stop: it is logged."""

    def __init__(self, file: Path) -> None:
        """Begin with nothing; `recall` reads the file."""
        self.memory = RetainedTopics()
        self._file = file
        self._kept: RetainedTopics | None = None

    async def recall(self) -> None:
        """Remember what is in the file, the first time."""
        if self._kept is None:
            self._kept = await asyncio.to_thread(load, self._file)
            self.memory.topics |= self._kept.topics
            self.memory.components = dict(self._kept.components)
            self.memory.claimed |= self._kept.claimed

    async def keep(self) -> None:
        """Write down what has changed since the last time."""
        now = replace(self.memory, topics=set(self.memory.topics), components=dict(self.memory.components))
        if now != self._kept:
            self._kept = now
            await asyncio.to_thread(save, self._file, now)


def load(file: Path) -> RetainedTopics:
    """Return what is in a file: nothing when there is none, and nothing with a warning when it is damaged."""
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")  # noqa: TRY301  (one way to say that it is damaged)
        read = _FORM(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return RetainedTopics()
    except (OSError, ValueError, vol.Invalid) as error:
        _LOGGER.warning("%s cannot be read, so old MQTT topics may stay at the broker: %s", file, error)
        return RetainedTopics()
    return RetainedTopics(set(read["topics"]), read["components"], read["claimed"])


def save(file: Path, memory: RetainedTopics) -> None:
    """Write a file, whole or not at all."""
    form = {"topics": sorted(memory.topics), "components": memory.components, "claimed": memory.claimed}
    unfinished = file.with_suffix(".unfinished")
    try:
        unfinished.write_text(json.dumps(form, indent=1))
        unfinished.replace(file)
    except OSError as error:
        _LOGGER.warning("%s cannot be written, so old MQTT topics may stay at the broker: %s", file, error)
