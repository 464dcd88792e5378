"""Clips go when they are too old, although nobody asks for them."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from pi_mjpeg_server import server
from pi_mjpeg_server.media.frame import Frame

from tests.server.support.scripted_camera import Script, camera, grey, serving, until


async def test_a_clip_that_is_too_old_is_deleted_while_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EXPIRY_INTERVAL", 0.05)
    async with serving(tmp_path, [camera(Script())]) as running:
        clips = running.server.clips
        draft = clips.begin("front", "http", time.time(), 100.0)
        draft.write([Frame(grey(100), 0, 100.0, time.time())])
        draft.finish()
        assert len(list(clips.folder.iterdir())) == 1
        a_week_later = time.time() + timedelta(days=8).total_seconds()
        monkeypatch.setattr(clips, "_clock", lambda: a_week_later)
        await until(lambda: not list(clips.folder.iterdir()))
