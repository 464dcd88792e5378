"""The events: what changes, for each client that listens to it. The documents are those of MQTT."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.documents import (
    SCHEMA,
    Document,
    camera_state_document,
    clip_document,
    controls_document,
    motion_document,
    server_state_document,
    snapshot_document,
)
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.clip import Clip
from pi_mjpeg_server.storage.snapshots import Snapshot
from pi_mjpeg_server.system.health import Health, measure
from pi_mjpeg_server.telemetry import Telemetry

if TYPE_CHECKING:
    from pi_mjpeg_server.motion.detector import Look

_Key = tuple[str, str | None]
"""The kind of an event, and the id of its camera; None for the server itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change. `kind` is the last level of the MQTT topic that has the same document, `data` is its JSON in a line."""

    kind: str
    data: str


class Subscriber:
    """A client of the events. What it has not taken yet is kept once per kind and camera, as it is when it is taken."""

    def __init__(self, feed: "EventFeed", client: str, base_url: str, cells: str | None) -> None:
        """Subscribe `client` (see `client_network`), which reaches the server at `base_url`.

        It gets what the detector sees too, of the camera with the id `cells`.
        """
        self.client = client
        self.cells = cells
        self._feed = feed
        self._base_url = base_url
        self._changed: dict[_Key, None] = {}
        self._sent: dict[_Key, str] = {}
        self._wake = asyncio.Event()

    def changed(self, *keys: _Key) -> None:
        """Note what has changed."""
        self._changed |= dict.fromkeys(keys)
        self._wake.set()

    def wake(self) -> None:
        """Have `take` return."""
        self._wake.set()

    async def take(self, seconds: float) -> list[Event]:
        """Return what has changed, as soon as something has, or nothing after so many `seconds`."""
        await wait_for_event(self._wake, seconds)
        self._wake.clear()
        changed, self._changed = self._changed, {}
        events = []
        for key in changed:
            document = self._feed.document(key, self._base_url)
            if document is None:
                continue
            data = json.dumps({"camera": key[1], **document})
            if self._sent.get(key) != data:
                self._sent[key] = data
                events.append(Event(key[0], data))
        return events


class EventFeed:
    """Listens to the cameras and tells the subscribers what has changed. Telemetry is paced as for MQTT."""

    def __init__(self, server: Server) -> None:
        """Listen to the cameras of `server`."""
        self._server = server
        self._subscribers: set[Subscriber] = set()
        self._snapshots: dict[str, tuple[Snapshot, str]] = {}
        self._clips: dict[str, Clip | None] = {}
        self._cells: dict[str, Look] = {}
        self._health: Health | None = None
        self._telemetry = Telemetry(server.cameras, self._measured)
        self._task: asyncio.Task[None] | None = None
        self.is_closing = False
        server.on_snapshot.append(self._snapshot_taken)
        server.recorder.on_clip.append(self._clip_recorded)
        for camera in server.cameras:
            camera_id = camera.settings.id
            camera.on_change.append(partial(self._camera_changed, camera_id))
            watch = server.motion[camera_id]
            watch.on_change.append(partial(self._tell, ("motion", camera_id)))
            watch.on_look.append(partial(self._looked, camera_id))

    @property
    def clients(self) -> list[str]:
        """The client of each subscriber."""
        return [subscriber.client for subscriber in self._subscribers]

    @contextlib.contextmanager
    def subscribe(self, client: str, base_url: str, cells: str | None) -> Iterator[Subscriber]:
        """Subscribe a client while the context lasts; it first gets everything as it is now. See `Subscriber`."""
        subscriber = Subscriber(self, client, base_url, cells)
        subscriber.changed(*self._all_keys())
        self._subscribers.add(subscriber)
        if self._task is None:
            self._task = create_logged_task(self._run_telemetry(), "events")
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            if not self._subscribers and self._task is not None:
                self._task.cancel()
                self._task = None
                self._cells.clear()

    async def close(self) -> None:
        """End all subscriptions: the server stops."""
        self.is_closing = True
        for subscriber in self._subscribers:
            subscriber.wake()

    def document(self, key: _Key, base_url: str) -> Document | None:
        """Return the present document for a kind and camera; None if there is none yet."""
        kind, camera_id = key
        if camera_id is None:
            return None if self._health is None else server_state_document(self._server, self._health)
        camera = self._server.camera(camera_id)
        if camera is None:
            return None
        documents: dict[str, Callable[[Camera], Document | None]] = {
            "availability": lambda camera: {
                "schema": SCHEMA,
                "availability": "online" if camera.available else "offline",
            },
            "state": camera_state_document,
            "controls": lambda camera: {"schema": SCHEMA, "controls": controls_document(camera)},
            "motion": lambda camera: motion_document(self._server.motion[camera.settings.id]),
            "snapshot": partial(self._snapshot, base_url),
            "clip": partial(self._clip, base_url),
            "cells": self._seen,
        }
        return documents[kind](camera)

    def _snapshot(self, base_url: str, camera: Camera) -> Document | None:
        kept = self._snapshots.get(camera.settings.id)
        if kept is None:
            return {"schema": SCHEMA, "id": None}
        snapshot, trigger = kept
        return {"schema": SCHEMA, **snapshot_document(snapshot, base_url), "trigger": trigger}

    def _clip(self, base_url: str, camera: Camera) -> Document:
        clip = self._clips.get(camera.settings.id)
        return {"schema": SCHEMA, **({"id": None} if clip is None else clip_document(self._server, clip, base_url))}

    def _seen(self, camera: Camera) -> Document | None:
        look = self._cells.get(camera.settings.id)
        if look is None:
            return None
        cells = "".join(map(str, look.cells))
        return {"schema": SCHEMA, "columns": look.columns, "rows": look.rows, "moving": look.moving, "cells": cells}

    def _all_keys(self) -> list[_Key]:
        kinds = ("availability", "state", "controls", "motion")
        cameras = [(kind, camera.settings.id) for camera in self._server.cameras for kind in kinds]
        return [("state", None), *cameras]

    async def _run_telemetry(self) -> None:
        await self._measured()
        await self._telemetry.run()

    async def _measured(self) -> None:
        """Measure the machine's health, look which snapshots are kept, and tell all states."""
        self._health = await asyncio.to_thread(measure)
        for camera in self._server.cameras:
            camera_id = camera.settings.id
            known = self._snapshots.get(camera_id)
            last = await self._server.snapshots.last(camera_id)
            await self._look_for_clip(camera_id)
            if self._snapshots.get(camera_id) is not known:
                continue  # One was taken meanwhile.
            if last is None:
                self._snapshots.pop(camera_id, None)
            else:
                self._snapshots[camera_id] = last
            self._tell(("state", camera_id), ("snapshot", camera_id))
        self._tell(("state", None))

    async def _look_for_clip(self, camera_id: str) -> None:
        known = self._clips.get(camera_id)
        last = await asyncio.to_thread(self._server.clips.latest, camera_id)
        if self._clips.get(camera_id) is known:
            self._clips[camera_id] = last
            self._tell(("clip", camera_id))

    def _camera_changed(self, camera_id: str) -> None:
        self._tell(("availability", camera_id), ("controls", camera_id))
        self._telemetry.camera_changed()

    def _snapshot_taken(self, snapshot: Snapshot, trigger: str) -> None:
        self._snapshots[snapshot.camera] = snapshot, trigger
        self._tell(("snapshot", snapshot.camera))

    def _clip_recorded(self, clip: Clip) -> None:
        self._clips[clip.camera] = clip
        self._tell(("clip", clip.camera))

    def _looked(self, camera_id: str, look: "Look") -> None:
        for subscriber in self._subscribers:
            if subscriber.cells == camera_id:
                self._cells[camera_id] = look
                subscriber.changed(("cells", camera_id))

    def _tell(self, *keys: _Key) -> None:
        for subscriber in self._subscribers:
            subscriber.changed(*keys)
