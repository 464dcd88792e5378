"""Each motion is recorded as a clip, from before it until it ends."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.motion.watch import MotionWatch
from pi_mjpeg_server.recording import recording as recording_module
from pi_mjpeg_server.recording.on_motion import MotionRecorder
from pi_mjpeg_server.recording.recorder import Recorder
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner

from tests.server.support.scripted_camera import Script, supervised, until

if TYPE_CHECKING:
    from pi_mjpeg_server.storage.clip import Clip


def say(watch: MotionWatch, *, motion: bool) -> None:
    """Have the motion detection say that something moves, or that nothing does."""
    watch.status = replace(watch.status, motion=motion)
    for listener in watch.on_change:
        listener()


async def test_a_motion_is_recorded_with_the_seconds_before_it_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "WRITE_INTERVAL", 0.05)
    recorder = Recorder(ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32)))
    clips: list[Clip] = []
    recorder.on_clip.append(clips.append)
    cam = Camera(CameraSettings("front", "Front", "scripted", 0.1, preroll=0.3), Script().source)
    watch = MotionWatch(cam)
    MotionRecorder(recorder, watch)
    async with supervised(cam):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: bool(held := cam.ring.since(0)) and held[-1].taken - held[0].taken >= 0.3)
            say(watch, motion=True)
            await asyncio.sleep(0.3)
            # Its area changed.
            say(watch, motion=True)
            await asyncio.sleep(0.1)
            assert recorder.is_recording(cam)
            say(watch, motion=False)
            await until(lambda: bool(clips))
            assert not recorder.is_recording(cam)
            (clip,) = clips
            assert clip.trigger == "motion"
            assert clip.before >= 0.3
            assert 0.3 < clip.after < 1
            cam.disable()
            say(watch, motion=True)
            assert not recorder.is_recording(cam)
