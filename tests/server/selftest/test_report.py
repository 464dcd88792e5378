"""The report: Markdown that an issue shows as it is meant, without what is private."""

from dataclasses import replace
from pathlib import Path

import pytest
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.config import MqttSettings, ServerSettings, load
from pi_mjpeg_server.selftest.redaction import make_redactor
from pi_mjpeg_server.selftest.report import Finding, Outcome, Report, absent, failed, passed, skipped
from pi_mjpeg_server.sources import SourceSettings

CONFIGURATION = replace(
    load(None, {}, {}),
    server=ServerSettings(
        name="Nursery", public_url="https://pi.smith.example/cam", state_dir=Path("/srv/smith/state")
    ),
    mqtt=MqttSettings(host="broker.smith.example", username="annabel"),
    default_names=frozenset(),
    cameras=(CameraSettings("a", "Bedroom", requested=SourceSettings(device="usb-046d_C920_8B1CA2F3-video-index0")),),
)


def test_it_counts_how_the_checks_ended_and_names_each() -> None:
    report = Report(str)
    report.begin("Machine")
    report.add("board", passed("Raspberry Pi 5"))
    report.add("sensor", absent("no sensor"))
    report.begin("Camera 1: v4l2")
    report.add("rate", Finding(Outcome.FAILED, "3 of 30 fps", ("a line", "another ``` line")))
    report.add("focus", skipped("there is no picture"))
    text = report.markdown("2026-11-26", 12.3)
    assert "2026-11-26, 12 s: 1 pass, 1 FAIL, 1 not here, 1 not tried." in text
    assert "\n\nFailed: Camera 1: v4l2, rate.\n\n## Machine\n" in text
    assert "## Machine\n\n| check | result | what was seen |\n|---|---|---|\n| board | pass | Raspberry Pi 5 |" in text
    assert "| rate | FAIL | 3 of 30 fps |" in text
    assert text.endswith("## Log of: Camera 1: v4l2, rate\n\n```text\na line\nanother ''' line\n```\n")
    assert not report.successful


@pytest.mark.parametrize(("finding", "successful"), [(passed("x"), True), (absent("x"), True), (failed("x"), False)])
def test_only_what_failed_is_a_failure(finding: Finding, *, successful: bool) -> None:
    report = Report(str)
    report.begin("Machine")
    report.add("board", finding)
    assert report.successful is successful


def test_an_interrupted_report_says_so_and_is_no_success() -> None:
    report = Report(str, interrupted=True)
    assert "interrupted" in report.markdown("2026-11-26", 1)
    assert not report.successful


def test_what_a_driver_says_stays_in_its_cell() -> None:
    report = Report(str)
    report.begin("Machine")
    report.add("board", failed("one | two\nthree <img src=x>"))
    assert "| board | FAIL | one \\| two three &lt;img src=x> |" in report.markdown("2026-11-26", 1)


@pytest.mark.parametrize(
    "private",
    [
        "Nursery",
        "https://pi.smith.example/cam",
        "/srv/smith/state",
        "broker.smith.example",
        "annabel",
        "Bedroom",
        "usb-Sonix_Webcam_SN0001-video-index0",
        str(Path.home()),
        "/home/annabel",
        "192.168.1.20",
        "b8:27:eb:01:02:03",
        "fe80::ba27:ebff:fe01:203%wlan0",
        "2001:db8:12:34:56:78:9a:bc",
        "kJ8v0nRrYw1mQe5tZc3uLx7aBf2dGh4s",
    ],
)
def test_what_is_private_is_removed_from_findings_titles_and_logs(private: str) -> None:
    report = Report(make_redactor(CONFIGURATION))
    text = f"cannot use usb-046d_C920_8B1CA2F3-video-index0, {private}: refused"
    report.begin(text)
    report.add("rate", Finding(Outcome.FAILED, text, (text,)))
    shown = report.markdown("2026-11-26", 1)
    assert private not in shown
    assert "8B1CA2F3" not in shown
    # In the summary, the title, the cell, the title of the log, and the log.
    assert shown.count(": refused") == 5


@pytest.mark.parametrize(
    "public",
    [
        "127.0.0.1",
        "kernel 6.12.47+rpt-rpi-2712",
        "libcamera v0.5.2+99-bfd68f78",
        "/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a",
        "08:27:51",
        "1920x1080 at 30 fps",
        "/dev/video0",
        "dtoverlay=vc4-kms-v3d,cma-256",
        "Raspberry Pi Zero 2 W Rev 1.0, revision 902120, aarch64",
    ],
)
def test_what_is_needed_stays(public: str) -> None:
    assert make_redactor(CONFIGURATION)(public) == public
