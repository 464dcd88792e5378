"""The cameras that are tested: those of the configuration, or else those that are found."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pi_mjpeg_server.config import Configuration
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.auto import AUTO


@dataclass(frozen=True, slots=True)
class Found:
    """One attached camera: the name of its kind, and its device and model."""

    source: str
    device: str
    model: str


@dataclass(frozen=True, slots=True)
class Target:
    """One camera to test. `source` is the name of its kind."""

    source: str
    settings: SourceSettings

    def to_json(self) -> dict[str, Any]:
        """Return it for another process."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Target":
        """Return what `to_json` has returned."""
        # JSON has no tuples, and no setting is a list.
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document["settings"].items()
        }
        return cls(document["source"], SourceSettings(**settings))


def targets(configuration: Configuration, found: Sequence[Found]) -> Iterator[Target]:
    """Yield the cameras to test: each one that is configured, and for `auto` without a device all that were found."""
    for camera in configuration.cameras:
        if camera.source != AUTO:
            yield Target(camera.source, camera.requested)
        elif camera.requested.device is not None:
            yield from (Target(each.source, camera.requested) for each in found[:1])
        else:
            yield from (Target(each.source, replace(camera.requested, device=each.device)) for each in found)
