"""The whole command, with the worker process, on a fake webcam and on the emulated camera."""

import asyncio
import errno
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.config import Configuration, ServerSettings, load
from pi_mjpeg_server.selftest.redaction import make_redactor
from pi_mjpeg_server.selftest.report import Finding, Outcome, Report, failed, passed
from pi_mjpeg_server.selftest.runner import Runner
from pi_mjpeg_server.selftest.selftest import Step, selftest
from pi_mjpeg_server.selftest.target import Found, Target, targets
from pi_mjpeg_server.selftest.worker_process import WorkerProcess
from pi_mjpeg_server.sources import SourceSettings
from tooling.network import free_ports

from tests.server.support.fake_webcam import FakeWebcam
from tests.server.support.scripted_camera import Script, camera, serving, until

FIRST = Step("first picture", 10)
EMULATED = SourceSettings(size=(320, 240), fps=20)


def configured(folder: Path, *cameras: CameraSettings, port: int | None = None) -> Configuration:
    """Return a configuration with these cameras."""
    server = ServerSettings(state_dir=folder / "state", host="127.0.0.1", port=port or free_ports(0)[0])
    return replace(load(None, {}, {}), server=server, cameras=cameras)


def on(webcam: FakeWebcam) -> CameraSettings:
    """Return a camera that is this webcam."""
    requested = SourceSettings(device=str(webcam.path), size=(64, 48))
    return CameraSettings("front", "Front", source="v4l2", requested=requested)


def rows(report: str) -> dict[str, str]:
    """Return result and text of each check by its name; of several with one name, the last."""
    return dict(re.findall(r"^\| ([^|]+) \| ((?:pass|FAIL|not here|not tried) \| .*) \|$", report, re.MULTILINE))


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess()
    yield worker
    worker.close()


def test_the_command_checks_the_emulated_camera_and_prints_markdown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pi_mjpeg_server", "selftest", "--source", "emulated", "--size", "320x240"]
    command += ["--seconds", "1", "--state-dir", str(tmp_path), "--port", str(free_ports(0)[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)  # noqa: S603
    found = rows(done.stdout)
    assert found["first picture"].startswith("pass | Emulated camera, 320x240 at 30 fps")
    assert all(found[name].startswith("pass | ") for name in ("quality", "starts and stops", "system", "port")), found
    assert all(
        found[name].startswith("not here | ") for name in ("exposure", "focus", "autofocus", "full-size still")
    ), found
    # A busy machine may really be too slow for these.
    failures = {name for name, text in found.items() if text.startswith("FAIL")}
    assert failures <= {"rate", "stream"}, found
    assert done.returncode == (1 if failures else 0)
    assert found["focus"].startswith("not here")
    # What it does is said while it does it.
    assert done.stderr.index("  rate ...\n") < done.stderr.index("  rate: ")
    assert str(tmp_path) not in done.stdout


@pytest.mark.parametrize("seconds", ["0", "1000", "nan", "soon"])
def test_a_measuring_time_that_makes_no_sense_is_wrong_usage(seconds: str) -> None:
    command = [sys.executable, "-m", "pi_mjpeg_server", "selftest", "--seconds", seconds]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    assert (done.returncode, done.stdout) == (2, "")


def test_a_webcam_is_tested_in_a_process_of_its_own(tmp_path: Path, webcam: FakeWebcam) -> None:
    report, successful = selftest(configured(tmp_path, on(webcam)), 1, (FIRST,))
    assert successful, report
    assert "encoder: the camera's own; mode: MJPG 64x48 at 30 fps; modes: MJPG 64x48 at 30 fps" in report
    assert str(webcam.path) not in report


def test_a_camera_that_is_busy_says_so_and_is_not_tried_further(tmp_path: Path, webcam: FakeWebcam) -> None:
    webcam.inject_fault("busy")
    report, successful = selftest(configured(tmp_path, on(webcam)), 1, (FIRST, Step("rate", 5), Step("focus", 5)))
    assert not successful
    found = rows(report)
    assert found["first picture"].startswith("FAIL | ")
    assert "another program has it open: stop it (`fuser &lt;device>` names it)" in found["first picture"]
    assert str(webcam.path) not in report
    assert found["rate"] == found["focus"] == "not tried | there is no picture"


def test_a_driver_that_hangs_costs_only_its_check_and_is_named(tmp_path: Path, webcam: FakeWebcam) -> None:
    webcam.inject_fault("errors", "S_CTRL * 60000ms\n")
    steps = (FIRST, Step("exposure", 2), Step("focus", 10), Step("quality", 10))
    began = time.monotonic()
    report, successful = selftest(configured(tmp_path, on(webcam)), 1, steps)
    assert time.monotonic() - began < 30
    assert not successful
    found = rows(report)
    assert found["first picture"].startswith("pass | ")
    assert found["exposure"].startswith("FAIL | no answer within 2 s, so its process was ended; it was in ")
    assert "called by set_control" in found["exposure"]
    assert "set_control" in report.partition("## Log of: Camera 1: v4l2, exposure")[2]
    assert found["focus"] == "not here | its focus cannot be set"
    assert found["quality"] == "not here | the pictures are not encoded here"


async def test_a_process_that_crashes_costs_only_its_check(worker: WorkerProcess) -> None:
    target = Target("emulated", EMULATED)
    findings: list[Finding] = []
    thread = threading.Thread(target=lambda: findings.append(worker.check("rate", target, 20, 30)))
    thread.start()
    await until(lambda: worker._process is not None)  # noqa: SLF001
    process = worker._process  # noqa: SLF001
    assert process is not None
    status = Path(f"/proc/{process.pid}/status")
    # Until it handles the signal, it has imported nothing.
    await until(
        lambda: int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) >> (signal.SIGSEGV - 1) & 1 == 1, 20
    )
    process.send_signal(signal.SIGSEGV)
    await asyncio.to_thread(thread.join, 10)
    assert findings[0].outcome is Outcome.FAILED
    assert "its process crashed: SIGSEGV" in findings[0].text
    assert any("Segmentation fault" in line for line in findings[0].log)
    assert worker.check("first picture", target, 1, 10).outcome is Outcome.PASSED


async def test_an_interrupted_check_sets_the_controls_back(worker: WorkerProcess, webcam: FakeWebcam) -> None:
    target = Target("v4l2", SourceSettings(device=str(webcam.path), size=(64, 48)))
    checking = asyncio.create_task(asyncio.to_thread(worker.check, "exposure", target, 1, 20))
    await until(lambda: webcam.controls_set == ["Brightness -64"], 20)
    await asyncio.to_thread(worker.close)
    assert webcam.controls_set == ["Brightness -64", "Brightness 0"]
    await asyncio.gather(checking, return_exceptions=True)


def test_what_a_driver_prints_is_not_taken_for_an_answer(worker: WorkerProcess, webcam: FakeWebcam) -> None:
    webcam.inject_fault("unplugged")
    target = Target("v4l2", SourceSettings(device=str(webcam.path)))
    finding = worker.check("first picture", target, 1, 10)
    assert finding.outcome is Outcome.FAILED
    assert "unplugged" in finding.text
    finding = worker.check("no such step", target, 1, 10)
    assert finding.text.startswith("KeyError")
    assert finding.log[-1].startswith("KeyError")


def test_a_check_that_raises_or_hangs_costs_only_itself(tmp_path: Path) -> None:
    configuration = configured(tmp_path, CameraSettings("a", "A", source="emulated", requested=EMULATED))
    hanging = threading.Event()
    never: dict[str, object] = {
        "board": lambda: hanging.wait(20) or failed("too late"),
        "system": lambda: 1 / 0,
        "memory": lambda: (_ for _ in ()).throw(TimeoutError("of its own")),
    }
    report = Report(str)
    runner = Runner(report)
    runner.begin("Machine")
    for name, check in never.items():
        runner.run(name, check, 0.3)  # type: ignore[arg-type]  # what they return is the point
    hanging.set()
    assert [finding.text for _, finding in report.sections[0].findings] == [
        "no answer within 0 s",
        "ZeroDivisionError: division by zero",
        "TimeoutError: of its own",
    ]
    assert configuration.cameras


def test_no_camera_is_a_failure_unless_others_are_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = failed("picamera2: none attached; v4l2: none attached")
    monkeypatch.setattr(WorkerProcess, "attached", lambda *_: (nothing, []))
    report, successful = selftest(configured(tmp_path, CameraSettings("a", "A")), 1, (FIRST,))
    assert not successful
    assert rows(report)["attached"] == f"FAIL | {nothing.text}"
    assert "Camera 1" not in report
    emulated = CameraSettings("a", "A", source="emulated", requested=EMULATED)
    report, successful = selftest(configured(tmp_path, emulated), 1, (FIRST,))
    assert successful
    assert rows(report)["attached"] == f"not here | {nothing.text}"
    assert "## Camera 1: emulated" in report


def test_a_process_that_cannot_be_started_costs_only_the_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulated = CameraSettings("a", "A", source="emulated", requested=EMULATED)
    configuration = configured(tmp_path, emulated)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    report, successful = selftest(configuration, 1, (FIRST,))
    assert not successful
    assert rows(report)["attached"].startswith("FAIL | FileNotFoundError")
    assert rows(report)["system"].startswith("pass | ")


def test_the_real_list_of_cameras_says_why_each_kind_has_none(worker: WorkerProcess) -> None:
    finding, _ = worker.attached(20)
    assert "picamera2: none (the Python module 'libcamera' is missing" in finding.text
    assert "v4l2: " in finding.text


def test_auto_tests_every_camera_that_was_found_and_a_configured_one_as_it_is_configured() -> None:
    found = [Found("picamera2", "/base/imx708", "imx708"), Found("v4l2", "usb-cam", "Webcam")]
    small = SourceSettings(size=(640, 480))
    auto = replace(load(None, {}, {}), cameras=(CameraSettings("a", "A", requested=small),))
    assert list(targets(auto, found)) == [
        Target("picamera2", replace(small, device="/base/imx708")),
        Target("v4l2", replace(small, device="usb-cam")),
    ]
    named = SourceSettings(device="imx708")
    fixed = CameraSettings("b", "B", source="emulated", requested=small)
    both = replace(auto, cameras=(CameraSettings("a", "A", requested=named), fixed))
    assert list(targets(both, found)) == [Target("picamera2", named), Target("emulated", small)]
    assert list(targets(auto, [])) == []
    settings = replace(named, sensor_mode=(1640, 1232), controls={"Brightness": 0.5, "AeEnable": False})
    assert Target.from_json(Target("picamera2", settings).to_json()) == Target("picamera2", settings)


def test_a_list_of_cameras_that_hangs_is_a_failure_and_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerProcess, "attached", lambda *_: (failed("no answer within 40 s"), None))
    emulated = CameraSettings("a", "A", source="emulated", requested=EMULATED)
    report, successful = selftest(configured(tmp_path, emulated), 1, (FIRST,))
    assert not successful
    assert rows(report)["attached"] == "FAIL | no answer within 40 s"
    assert rows(report)["first picture"].startswith("pass | ")


async def test_a_server_that_runs_has_to_be_stopped_first(tmp_path: Path) -> None:
    emulated = CameraSettings("a", "A", source="emulated", requested=EMULATED)
    async with serving(tmp_path, [camera(Script())], needs_token=True) as served:
        port = int(served.url.rpartition(":")[2])
        configuration = configured(tmp_path, emulated, port=port)
        report, successful = await asyncio.to_thread(selftest, configuration, 1, (FIRST,))
    assert not successful
    assert "`sudo systemctl stop pi-mjpeg`" in rows(report)["cameras"]
    assert rows(report)["port"].startswith("pass | ")
    assert "Camera 1" not in report


@pytest.mark.parametrize("error", [None, OSError(errno.ENOSPC, "No space left on device"), BrokenPipeError()])
def test_a_progress_that_nobody_reads_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError | None
) -> None:
    stderr = None if error is None else MagicMock(write=MagicMock(side_effect=error))
    monkeypatch.setattr(sys, "stderr", stderr)
    runner = Runner(Report(make_redactor(configured(tmp_path))))
    runner.begin("Machine")
    runner.run("memory", lambda: passed("1 MB"), 10)
    assert runner.report.successful
    assert capsys.readouterr().out == ""


def children(process: int) -> list[Path]:
    """Return the folders in /proc of the processes that it has started."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return [Path("/proc") / child for thread in threads for child in (thread / "children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
async def test_ctrl_c_prints_what_there_is_so_far_and_no_end_leaves_a_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    # A shell in the background, as that of a CI machine may be, lets its programs ignore SIGINT.
    command = ["env", "--default-signal=INT,HUP", sys.executable, "-m", "pi_mjpeg_server", "selftest"]
    command += [
        "--source",
        "emulated",
        "--size",
        "320x240",
        "--seconds",
        "60",
        "--state-dir",
        str(tmp_path),
        "--port",
        str(free_ports(0)[0]),
    ]
    with (tmp_path / "progress").open("wb") as progress:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=progress, start_new_session=True
        )
    try:
        await until(lambda: "  rate ..." in (tmp_path / "progress").read_text(), 40)
        (child,) = children(process.pid)
        process.send_signal(number)
        output, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    await until(lambda: not child.exists())
    if number == signal.SIGKILL:
        return
    assert process.returncode == 1
    report = output.decode()
    assert "interrupted" in report
    assert rows(report)["first picture"].startswith("pass | ")
    assert "rate" not in rows(report)
