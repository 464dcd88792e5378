"""Metrics for Prometheus, read from the server at each request."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.routes.request import SERVER

_PREFIX = "pi_mjpeg"


async def metrics(request: web.Request) -> web.Response:
    """Answer with all metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(request.app[SERVER]))
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


@dataclass(frozen=True, eq=False, slots=True)
class ServerCollector:
    """Collects the metrics of a server, with one sample per camera."""

    server: Server

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        identity, now = self.server.identity, time.monotonic()
        yield InfoMetricFamily(
            f"{_PREFIX}_server", "This server.", {"version": identity.version, "node": identity.node}
        )
        yield GaugeMetricFamily(
            f"{_PREFIX}_start_time_seconds", "When the server started, since 1970.", self.server.started_at
        )
        yield self._gauge("camera_up", "Whether the camera can give pictures.", lambda camera: float(camera.available))
        yield self._gauge("camera_enabled", "Whether the camera is switched on.", lambda camera: float(camera.enabled))
        yield self._gauge("viewers", "Viewers that watch now.", lambda camera: len(camera.viewers))
        yield self._gauge(
            "frames_per_second", "Pictures a second, measured.", lambda camera: camera.capture_rate.per_second(now)
        )
        yield self._counter("frames", "Pictures that came from the camera.", lambda camera: camera.capture_rate.count)
        yield self._counter(
            "missed_frames", "Pictures that the source itself lost.", lambda camera: camera.capture_drops
        )
        yield self._counter("frames_sent", "Pictures sent to viewers.", lambda camera: camera.demand.frames_sent)
        yield self._counter(
            "frames_dropped", "Pictures that slow viewers did not get.", lambda camera: camera.demand.viewer_drops
        )
        scaled = self.server.scaled_streams.counts
        yield self._counter(
            "scaled_frames",
            "Pictures that were scaled for small streams.",
            lambda camera: scaled[camera.settings.id].scaled,
        )
        yield self._counter(
            "scaled_frames_dropped",
            "Pictures that small streams did not get, because scaling takes too long or fails.",
            lambda camera: scaled[camera.settings.id].dropped,
        )
        yield self._counter("restarts", "How often the camera was started anew.", lambda camera: camera.status.restarts)
        motion = self.server.motion
        yield self._gauge(
            "motion_enabled",
            "Whether the camera is watched for motion.",
            lambda camera: float(motion[camera.settings.id].settings.enabled),
        )
        yield self._gauge(
            "motion", "Whether something moves.", lambda camera: float(motion[camera.settings.id].status.motion)
        )
        yield self._counter(
            "motion_looks",
            "Pictures that were looked at for motion.",
            lambda camera: motion[camera.settings.id].stats.count,
        )
        yield self._counter(
            "motion_look_seconds",
            "Processor time that this took, in seconds.",
            lambda camera: motion[camera.settings.id].stats.cpu_seconds,
        )

        clips, recorder = self.server.clips, self.server.recorder
        yield self._gauge("preroll_bytes", "Bytes of pictures in memory for clips.", lambda camera: camera.ring.bytes)
        yield self._gauge(
            "recording", "Whether a clip is being recorded.", lambda camera: float(recorder.is_recording(camera))
        )
        yield self._counter("clips", "Clips that were recorded.", lambda camera: recorder.recorded[camera.settings.id])
        yield GaugeMetricFamily(
            f"{_PREFIX}_clips_bytes", "Bytes that the clips of all cameras take.", clips.total_bytes()
        )

    def _gauge(self, name: str, about: str, value: Callable[[Camera], float]) -> Metric:
        family = GaugeMetricFamily(f"{_PREFIX}_{name}", about, labels=["camera"])
        for camera in self.server.cameras:
            family.add_metric([camera.settings.id], value(camera))
        return family

    def _counter(self, name: str, about: str, value: Callable[[Camera], float]) -> Metric:
        family = CounterMetricFamily(f"{_PREFIX}_{name}", about, labels=["camera"])
        for camera in self.server.cameras:
            family.add_metric([camera.settings.id], value(camera))
        return family
