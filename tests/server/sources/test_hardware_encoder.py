"""The Pi's hardware encoder: Picamera2's real MJPEGEncoder, on an encoder that a preloaded library makes of libjpeg."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pi_mjpeg_server.sources import SourceSettings, picamera2_bitrate, picamera2_encoders
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from pi_mjpeg_server.sources.picamera2_bitrate import best_quality, bitrate
from tooling import cache

from tests.server.support.codec_rig import BARS, SIZE
from tests.server.support.fake_codec import environment
from tests.server.support.fake_sensor import Untyped

HARDWARE, SOFTWARE = ["HardwareEncoder"], ["JpegEncoder"]

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs scenarios in a process with the encoder, and returns their outcomes by name."""

    def run(*scenarios: str) -> Any:  # noqa: ANN401  (JSON)
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "tests.server.support.codec_scenarios", str(tmp_path / "codec"), *scenarios],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": "scripts", **environment(tmp_path / "codec")},
            cwd=cache.ROOT,
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


def test_pictures_have_the_colors_of_the_camera_and_those_of_the_other_encoder(run: Run) -> None:
    outcome = run("pictures")["pictures"]
    for name in (*HARDWARE, *SOFTWARE):
        seen = outcome[name]["colors"]
        assert sorted(seen[0]) == sorted(seen[1]), "the pictures alternate"
        for colors in seen:
            expected = BARS if colors[0][0] > colors[-1][0] else BARS[::-1]
            for color, drawn in zip(colors, expected, strict=True):
                assert color == pytest.approx(drawn, abs=3), name
        assert all(outcome[name]["times"])
    told = int(bitrate(SIZE, 15, 80) / 25_000 + 0.5) * 25_000
    assert outcome["HardwareEncoder"]["log"] == [
        "open",
        f"bitrate {told}",
        "format output 96x80 128",
        "format capture 96x80 0",
        "rate 15.0",
        "off output",
        "off capture",
        "close",
    ]
    assert outcome["JpegEncoder"]["log"] == []


def test_recordings_leave_no_descriptor_thread_or_buffer_behind(run: Run) -> None:
    outcome = run("cycles")["cycles"]
    assert outcome == {"descriptors": 0, "threads": 0, "buffers": 4, "encoders": HARDWARE, "closed": 11}


def test_a_quality_means_the_same_on_both_encoders(run: Run) -> None:
    outcome = run("quality")["quality"]
    for quality in ("50", "80", "95"):
        (size, similarity), (size_in_software, similarity_in_software) = (
            outcome[name][quality] for name in (*HARDWARE, *SOFTWARE)
        )
        assert size == pytest.approx(size_in_software, rel=0.2), quality
        assert similarity == pytest.approx(similarity_in_software, abs=0.01), quality


def test_a_camera_without_pictures_is_no_fault_of_the_encoder(run: Run) -> None:
    outcome = run("silent camera")["silent camera"]
    assert outcome == {"silent": [None] * 30, "encoders": HARDWARE, "note": None}


def test_a_driver_that_gives_a_picture_back_after_the_stop_leaves_nothing_behind(run: Run) -> None:
    outcome = run("late return")["late return"]
    assert "because it did not stop" in outcome.pop("note")
    assert outcome == {"given back": 4, "left": [0, 0], "log": ["close"]}


def test_a_recording_goes_on_in_software_with_the_controls_as_they_are_then(run: Run) -> None:
    sent = run("controls")["controls"]["sent"]
    assert sent == {"FrameDurationLimits": [100_000, 200_000], "Brightness": 0.5}


def check_clean(outcome: dict[str, Any], name: str) -> None:
    """Check that the viewer saw pictures all the time, and that nothing is left behind."""
    assert "failing" not in {state for state, _ in outcome["states"]}, name
    assert outcome["gap"] < 4, name
    assert outcome["stop"] < 4, name
    left = (outcome["threads"], outcome["descriptors"], outcome["buffers"])
    assert left == ([], 0, 4), name


def test_an_encoder_that_cannot_be_started_is_replaced_and_tried_again_for_the_next_viewer(run: Run) -> None:
    reasons = {
        "busy at open": "Device or resource busy: '/dev/video11'",
        "busy at start": "Device or resource busy",
        "no memory": "the kernel does not have enough contiguous memory (CMA) for 96x80",
    }
    for name, outcome in run(*reasons).items():
        check_clean(outcome, name)
        assert outcome["encoders"] == HARDWARE + SOFTWARE, name
        (warning,) = outcome["warnings"]
        assert reasons[name] in warning
        assert warning.endswith("encoding in software")
        assert (outcome["next_encoders"], outcome["next_note"]) == (HARDWARE, None), name


def test_an_encoder_that_fails_is_replaced_while_viewers_watch_and_not_used_again(run: Run) -> None:
    reasons = {
        "start never returns": "it did not start within 1 s",
        "stalls": "it gives no pictures",
        "stalls and does not stop": "it gives no pictures",
        "broken pipe": "it failed: [Errno 32] Broken pipe",
        "pictures refused": "it failed: [Errno 22] Invalid argument",
        "pictures kept": "it failed: [Errno 5] Input/output error",
        "always interrupted": "it gives no pictures",
        "truncated": "it gives no pictures, only damaged ones: it is cut off before its end",
    }
    for name, outcome in run(*reasons).items():
        check_clean(outcome, name)
        assert outcome["encoders"] == HARDWARE + SOFTWARE, name
        told = f"the hardware encoder is not used until a restart of the service, because {reasons[name]}"
        assert outcome["warnings"] == [told], name
        assert outcome["next_encoders"] == SOFTWARE, name
        assert outcome["next_note"] == f"encoding in software: {told}", name
        assert name != "truncated" or outcome["drops"] > 5


def test_small_faults_do_not_disturb_viewers(run: Run) -> None:
    outcomes = run("garbage at first", "interrupted", "interrupted often", "stops with an error", "does not stop")
    for name, outcome in outcomes.items():
        check_clean(outcome, name)
        assert outcome["encoders"] == HARDWARE, name
    assert outcomes["garbage at first"]["drops"] >= 2
    assert outcomes["interrupted"]["next_encoders"] == HARDWARE
    assert outcomes["interrupted often"]["next_encoders"] == HARDWARE
    assert outcomes["stops with an error"]["next_encoders"] == HARDWARE
    stuck = outcomes["does not stop"]
    assert stuck["next_encoders"] == SOFTWARE
    assert stuck["next_note"].endswith("because it did not stop within 1 s")


def test_the_bit_rate_follows_quality_size_and_rate_within_what_the_driver_takes() -> None:
    size = (640, 480)
    assert bitrate(size, 30, 80) == int(1.5 * 640 * 480 * 30)
    assert bitrate(size, 15, 80) == bitrate(size, 30, 80) // 2
    assert bitrate((320, 240), 30, 80) == bitrate(size, 30, 80) // 4
    rates = [bitrate((320, 240), 30, quality) for quality in range(1, 101)]
    assert all(low < high for low, high in pairwise(rates))
    assert bitrate((1920, 1080), 30, 100) == picamera2_bitrate.MAX_BITRATE == 25_000_000
    assert bitrate((32, 32), 0.1, 1) == 25_000


@pytest.mark.parametrize("quality", [10, 50, 80, 95])
def test_the_best_quality_is_that_of_soft_pictures_at_the_highest_bit_rate(quality: int) -> None:
    bits_of_a_soft_pixel = 0.7 * bitrate((1000, 1000), 1, quality) / 1_000_000
    pixels = 25_000_000 / 30 / bits_of_a_soft_pixel
    assert best_quality((int(pixels / 100), 100), 30) == pytest.approx(quality, abs=1)


@pytest.mark.parametrize(
    ("size", "fps", "quality", "best"),
    [
        ((1280, 720), 30, 80, None),
        ((1280, 720), 30, 95, 73),
        ((1920, 1080), 30, 80, 26),
        ((1920, 1080), 10, 80, None),
        ((1080, 1922), 30, 80, None),
    ],
)
def test_a_quality_for_which_the_highest_bit_rate_is_not_enough_is_told(
    camera: Untyped,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: tuple[int, int],
    fps: float,
    quality: int,
    best: int | None,
) -> None:
    (tmp_path / "video11").touch()
    monkeypatch.setattr(picamera2_encoders, "_HARDWARE_ENCODER", tmp_path / "video11")
    camera.return_value.camera_configuration.return_value = {"main": {"size": size, "format": "YUV420"}}
    note = Picamera2Source(SourceSettings(size=size, fps=fps, quality=quality)).open().note or ""
    assert ("Mbit/s" in note) == (best is not None)
    assert best is None or f"about quality {best} instead of {quality}" in note


def test_no_picture_that_is_too_high_for_the_hardware_is_sent_to_it(
    camera: Untyped, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "video11").touch()
    monkeypatch.setattr(picamera2_encoders, "_HARDWARE_ENCODER", tmp_path / "video11")
    for size, used in (((1080, 1920), HARDWARE), ((1080, 1922), SOFTWARE), ((1922, 1080), SOFTWARE)):
        camera.return_value.camera_configuration.return_value = {"main": {"size": size, "format": "YUV420"}}
        source = Picamera2Source(SourceSettings(size=size))
        source.open()
        next(source.frames())
        assert type(camera.return_value.start_recording.call_args.args[0]).__name__ == used[0]
