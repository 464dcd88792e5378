"""What this server has retained at the broker, kept on disk, so that it can be cleared when it is no longer wanted."""

import asyncio
import json
import logging
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import voluptuous as vol

from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import UnsafeFileError, read_file

FILE_NAME = "mqtt.json"
"""The name of the file in the state folder."""

_LOGGER = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000


def _topic(value: str) -> str:
    """Return a topic that can be published on (MQTT 5, 4.7.1). Raises `vol.Invalid`."""
    if not value.isprintable() or set(value) & set("+#"):
        raise vol.Invalid("it is not a topic")
    return value


_SCHEMA = vol.Schema(
    {
        vol.Required("topics"): [vol.All(str, vol.Length(min=1, max=1024), _topic)],
        vol.Required("components"): {str: str},
        vol.Required("claimed"): bool,
    }
)


@dataclass(slots=True)
class RetainedTopics:
    """What the broker may have retained, from this process or an earlier one."""

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
        self._loaded = False
        self._rate_limited_log = RateLimitedLog()
        self._wanted: RetainedTopics | None = None
        self._written: RetainedTopics | None = None
        self._writer = threading.Lock()

    async def load(self) -> None:
        """Read the file and add what is in it, the first time that this is called."""
        if self._loaded:
            return
        try:
            loaded = await asyncio.to_thread(load, self._file)
        except UnsafeFileError as error:
            self._warn("read", error)
            loaded = RetainedTopics()
        self._loaded = True
        self._written = loaded
        self.retained.topics |= loaded.topics
        self.retained.components = dict(loaded.components)
        self.retained.claimed |= loaded.claimed

    async def save(self) -> None:
        """Write the file if anything has changed since the last time."""
        retained = self.retained
        self._wanted = replace(retained, topics=set(retained.topics), components=dict(retained.components))
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        """Write what is wanted by now (in a thread).

        A thread goes on when its task is cancelled. Whichever thread comes last, the file then holds what was wanted
        last.
        """
        with self._writer:
            wanted = self._wanted
            if wanted is None or wanted == self._written:
                return
            try:
                save(self._file, wanted)
            except OSError as error:
                self._warn("written", error)
            else:
                self._written = wanted

    def _warn(self, action: str, error: OSError) -> None:
        message = f"{self._file} cannot be {action}, so old MQTT topics may stay at the broker: {error}"
        self._rate_limited_log.warn(action, message)


def load(file: Path) -> RetainedTopics:
    """Return what is in `file`: nothing if there is no file, and nothing, with a warning, if it cannot be read.

    Raises `UnsafeFileError` for a file that another user may have put there.
    """
    try:
        document = _SCHEMA(json.loads(read_file(file, _MAX_BYTES)))
    except UnsafeFileError:
        raise
    except FileNotFoundError:
        return RetainedTopics()
    except (OSError, ValueError, RecursionError, vol.Invalid) as error:
        _LOGGER.warning("%s cannot be read, so old MQTT topics may stay at the broker: %s", file, error)
        return RetainedTopics()
    return RetainedTopics(set(document["topics"]), document["components"], document["claimed"])


def save(file: Path, retained: RetainedTopics) -> None:
    """Write `file`. Raises `OSError`."""
    document = {"topics": sorted(retained.topics), "components": retained.components, "claimed": retained.claimed}
    write_atomically(file, json.dumps(document, indent=1).encode())
