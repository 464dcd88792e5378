"""The JSON documents that HTTP and MQTT share, as pure functions of the server's state."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import (
    CameraBusyError,
    CameraOffError,
    CameraUnavailableError,
    NotFocusedError,
    TooManyWidthsError,
)
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.motion.settings import MotionSettingError
from pi_mjpeg_server.motion.watch import MotionWatch
from pi_mjpeg_server.recording.request import ClipRequestError
from pi_mjpeg_server.server import LastKept, Server
from pi_mjpeg_server.sources.controls import ControlError
from pi_mjpeg_server.storage.clip import Clip, ClipError
from pi_mjpeg_server.storage.settings_store import SettingsNotStoredError
from pi_mjpeg_server.storage.snapshots import Snapshot, SnapshotError
from pi_mjpeg_server.system.health import Health

SCHEMA = 1
"""The schema number in every document. It is raised when an older client could misread a document."""

_SECOND_DIGITS = 3
_FRACTION_DIGITS = 4

Document = dict[str, Any]
"""A JSON object. `tests/contract/` has an example of each."""

ERROR_CODES: Mapping[type[Exception], str] = {
    ClipRequestError: "bad_clip",
    ControlError: "bad_control",
    MotionSettingError: "bad_setting",
    CameraBusyError: "busy",
    CameraOffError: "camera_off",
    CameraUnavailableError: "camera_unavailable",
    NotFocusedError: "not_focused",
    TooManyWidthsError: "too_many_widths",
    SettingsNotStoredError: "insufficient_storage",
    SnapshotError: "insufficient_storage",
    ClipError: "insufficient_storage",
}
"""The error code of each failure, over HTTP as over MQTT. The first class that fits counts."""


def iso(seconds: float) -> str:
    """Return a time, in seconds since 1970, as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def stream_url(camera_id: str, base: str) -> str:
    """Return the URL of a camera's stream; `base` is the server's base URL."""
    return f"{base}/cameras/{camera_id}/stream"


def snapshot_url(camera_id: str, base: str) -> str:
    """Return the URL of a camera's present picture; `base` is the server's base URL."""
    return f"{base}/cameras/{camera_id}/snapshot.jpg"


def view_document(camera_id: str, base: str, token: str) -> Document:
    """Return a camera's view token and the URLs that contain it; `base` is the server's base URL."""
    return {
        "token": token,
        "stream_url": f"{stream_url(camera_id, base)}?token={token}",
        "snapshot_url": f"{snapshot_url(camera_id, base)}?token={token}",
    }


def state_document(server: Server, base: str, health: Health, kept: Mapping[str, LastKept]) -> Document:
    """Return the answer to `GET /api/state`: the whole state, with URLs below `base`.

    `kept` has the last kept snapshot and clip of each camera by its id.
    """
    identity = server.identity
    broker = server.broker
    return {
        "schema": SCHEMA,
        "server": {
            "id": identity.node,
            "name": identity.name,
            "model": identity.model,
            "version": identity.version,
            "mac": identity.mac,
            "started_at": iso(server.started_at),
            "auth": server.auth,
            "viewers": server.viewers,
            **_health(health),
            "mqtt": {"state": broker.state, "broker": broker.broker, "error": broker.error},
            "problems": [{"code": code, "message": message} for code, message in server.problems.items()],
        },
        "cameras": [
            _camera_in_state(server, camera, base, kept.get(camera.settings.id, LastKept()))
            for camera in server.cameras
        ],
    }


def server_state_document(server: Server, health: Health) -> Document:
    """Return the state of the server for MQTT."""
    return {
        "schema": SCHEMA,
        "started_at": iso(server.started_at),
        "viewers": server.viewers,
        **_health(health),
    }


def camera_state_document(camera: Camera) -> Document:
    """Return the state of one camera for MQTT."""
    status = camera.status
    return {
        "schema": SCHEMA,
        "enabled": camera.enabled,
        "state": status.state.value,
        "reason": status.reason,
        "since": iso(status.since),
        "fps": _rounded(camera.capture_rate.per_second(time.monotonic())),
        "viewers": len(camera.viewers),
        "drops": camera.capture_drops,
        "restarts": status.restarts,
        "last_error": status.last_error,
    }


def motion_document(watch: MotionWatch) -> Document:
    """Return the motion detection of a camera: what it sees, and its settings."""
    status, settings = watch.status, watch.settings
    return {
        "schema": SCHEMA,
        "enabled": settings.enabled,
        "motion": status.motion,
        "since": iso(status.since),
        "area": round(status.area, _FRACTION_DIGITS),
        "box": None if status.box is None else [round(side, _FRACTION_DIGITS) for side in status.box],
        "error": status.error,
        "sensitivity": settings.sensitivity,
        "watch": [list(region) for region in settings.watch],
        "ignore": [list(region) for region in settings.ignore],
        "clear_after": settings.clear_after,
        "fps": settings.fps,
    }


def snapshot_document(snapshot: Snapshot, base: str) -> Document:
    """Return a kept snapshot with its signed URL below `base`."""
    return {
        "id": snapshot.id,
        "url": base + snapshot.path,
        "time": iso(snapshot.time),
        "width": snapshot.width,
        "height": snapshot.height,
        "bytes": snapshot.bytes,
    }


def full_snapshot_document(snapshot: Snapshot, gap: float, base: str) -> Document:
    """Return a kept full-size snapshot, and the seconds for which viewers had no new picture because of it."""
    return {**snapshot_document(snapshot, base), "gap": rounded_gap(gap)}


def rounded_gap(gap: float) -> float:
    """Return the gap that a full-size still has left, in seconds, as documents and headers hold it."""
    return round(gap, _SECOND_DIGITS)


def snapshots_document(snapshots: Sequence[Snapshot], base: str) -> Document:
    """Return a list of kept snapshots."""
    return {"schema": SCHEMA, "snapshots": [snapshot_document(snapshot, base) for snapshot in snapshots]}


def clip_document(server: Server, clip: Clip, base: str) -> Document:
    """Return a kept clip with its signed URLs below `base`."""
    paths = {kind: base + server.clips.path(clip.id, kind) for kind in ("mjpeg", "bin", "jpg")}
    return {
        "id": clip.id,
        "url": paths["mjpeg"],
        "download_url": paths["bin"],
        "thumbnail_url": paths["jpg"],
        "time": iso(clip.time),
        "duration": round(clip.duration, _SECOND_DIGITS),
        "before": round(clip.before, _SECOND_DIGITS),
        "after": round(clip.after, _SECOND_DIGITS),
        "frames": clip.frames,
        "bytes": clip.bytes,
        "width": clip.width,
        "height": clip.height,
        "trigger": clip.trigger,
    }


def clips_document(server: Server, clips: Sequence[Clip], base: str) -> Document:
    """Return a list of clips."""
    return {"schema": SCHEMA, "clips": [clip_document(server, clip, base) for clip in clips]}


def controls_document(camera: Camera) -> list[Document]:
    """Return a camera's controls with their ranges and present values."""
    return [
        {
            "name": control.name,
            "type": control.type,
            "minimum": control.minimum,
            "maximum": control.maximum,
            "step": control.step,
            "default": control.default,
            "value": control.value,
            "options": list(control.options),
        }
        for control in camera.controls.values()
    ]


def camera_facts(camera: Camera) -> Document:
    """Return the part of a camera's documents that does not change while it runs: names, model, size and rate."""
    settings, info = camera.settings, camera.source_info
    width, height = info.size or (None, None)
    return {
        "id": settings.id,
        "name": settings.name,
        "model": info.model,
        "width": width,
        "height": height,
        "fps": info.fps or settings.requested.fps,
    }


def _camera_in_state(server: Server, camera: Camera, base: str, kept: LastKept) -> Document:
    settings, status = camera.settings, camera.status
    return {
        **camera_facts(camera),
        "source": camera.source_info.source or settings.source,
        "note": camera.source_info.note,
        "enabled": camera.enabled,
        "available": camera.available,
        "state": status.state.value,
        "reason": status.reason,
        "since": iso(status.since),
        "next_try": None if status.next_try is None else iso(status.next_try),
        "measured_fps": _rounded(camera.capture_rate.per_second(time.monotonic())),
        "frames": camera.capture_rate.count,
        "drops": camera.capture_drops,
        "restarts": status.restarts,
        "last_error": status.last_error,
        "motion": motion_document(server.motion[settings.id]),
        "controls": controls_document(camera),
        "viewers": [_viewer_in_state(viewer) for viewer in sorted(camera.viewers, key=lambda viewer: viewer.since)],
        "stream_url": stream_url(settings.id, base),
        "snapshot_url": snapshot_url(settings.id, base),
        "view_token": server.view_tokens is not None and server.view_tokens.digest(settings.id) is not None,
        "snapshot": None if kept.snapshot is None else snapshot_document(kept.snapshot, base),
        "preroll": settings.preroll,
        "recording": server.recorder.is_recording(camera),
        "clip": None if kept.clip is None else clip_document(server, kept.clip, base),
    }


def _viewer_in_state(viewer: ViewerStats) -> Document:
    return {
        "address": viewer.address,
        "agent": viewer.agent,
        "width": viewer.width,
        "since": iso(viewer.since),
        "fps": _rounded(viewer.send_rate.per_second(time.monotonic())),
        "sent": viewer.send_rate.count,
        "dropped": viewer.drops,
    }


def _health(health: Health) -> Document:
    throttled = None if health.throttled is None else list(health.throttled)
    return {"temperature": health.temperature, "throttled": throttled}


def _rounded(rate: float) -> float:
    return round(rate, 1)
