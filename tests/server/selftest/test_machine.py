"""What is read of the machine, from the files of a Raspberry Pi."""

import platform
from pathlib import Path

import pytest
from pi_mjpeg_server.selftest import machine
from pi_mjpeg_server.selftest.report import Finding, Outcome, absent, failed, passed
from pi_mjpeg_server.system import health

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
MEMINFO = """\
MemTotal:         415292 kB
MemAvailable:     201000 kB
SwapTotal:        102396 kB
SwapFree:         102396 kB
CmaTotal:         262144 kB
CmaFree:          250000 kB
"""


def files(root: Path, **contents: str) -> Path:
    """Write files below a root; the names are paths with __ for the slashes and _dot_ for the dots."""
    for name, content in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("processor", "outcome"), [("aarch64", Outcome.PASSED), ("armv7l", Outcome.PASSED), ("armv6l", Outcome.FAILED)]
)
def test_the_board_has_its_revision_and_an_untried_processor_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processor: str, outcome: Outcome
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: processor)
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi Zero 2 W Rev 1.0\0")
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\n\nRevision\t: 902120\nSerial\t\t: 00000000deadbeef\n")
    finding = machine.board(tmp_path)
    assert finding.outcome is outcome
    assert finding.text.startswith(f"Raspberry Pi Zero 2 W Rev 1.0, revision 902120, {processor}")
    assert "deadbeef" not in finding.text


def test_another_machine_is_not_a_pi(tmp_path: Path) -> None:
    assert machine.board(tmp_path).outcome is Outcome.ABSENT


def test_memory_and_contiguous_memory(tmp_path: Path) -> None:
    files(tmp_path, proc__meminfo=MEMINFO)
    assert machine.memory(tmp_path) == passed("425 MB, 206 MB available; swap 105 MB, 105 MB free")
    assert machine.contiguous_memory(tmp_path) == passed("268 MB, 256 MB free")
    files(tmp_path, proc__meminfo=MEMINFO.partition("Cma")[0])
    assert machine.contiguous_memory(tmp_path).outcome is Outcome.ABSENT


def test_the_system(tmp_path: Path) -> None:
    files(
        tmp_path,
        **{"etc__os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'},
        **{"etc__rpi-issue": "Raspberry Pi reference 2025-10-01\nGenerated using pi-gen\n"},
    )
    text = machine.system(tmp_path).text
    assert text.startswith("Debian GNU/Linux 13 (trixie) (Raspberry Pi reference 2025-10-01), kernel ")
    assert f"Python {platform.python_version()}" in text
    assert "pillow " in machine.libraries().text


def test_the_lines_of_config_txt_that_concern_cameras(tmp_path: Path) -> None:
    assert machine.boot_configuration(tmp_path).outcome is Outcome.ABSENT
    config = "# a comment\ncamera_auto_detect=1\n dtoverlay=vc4-kms-v3d,cma-256\nhdmi_group=1\nsome_password=x\n"
    files(tmp_path, boot__firmware__config_dot_txt=config, boot__config_dot_txt="gpu_mem=1\n")
    assert machine.boot_configuration(tmp_path) == passed("camera_auto_detect=1; dtoverlay=vc4-kms-v3d,cma-256")


@pytest.mark.parametrize(
    ("bits", "outcome", "words"),
    [
        ("0", Outcome.PASSED, "now nothing; since the boot nothing"),
        ("20002", Outcome.FAILED, "now frequency capped; since the boot frequency capped"),
        ("e0000", Outcome.PASSED, "now nothing; since the boot frequency capped, throttled, soft temperature limit"),
        ("50000", Outcome.FAILED, "since the boot under-voltage, throttled: use a stronger power supply"),
        ("50005", Outcome.FAILED, "now under-voltage, throttled"),
    ],
)
@pytest.mark.parametrize("source", ["kernel", "vcgencmd"])
def test_low_voltage_and_heat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: str, outcome: Outcome, words: str, source: str
) -> None:
    (program := tmp_path / "vcgencmd").write_text(f"#!/bin/sh\necho throttled=0x{bits}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if source == "vcgencmd" else "")
    if source == "kernel":
        (tmp_path / THROTTLED).parent.mkdir(parents=True)
        (tmp_path / THROTTLED).write_text(f"{bits}\n")
    finding = machine.throttling(tmp_path)
    assert finding.outcome is outcome
    assert words in finding.text


@pytest.mark.parametrize("script", ["sleep 60", "echo VCHI initialization failed", "exit 1"])
def test_a_vcgencmd_that_does_not_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (program := tmp_path / "vcgencmd").write_text(f"#!/bin/sh\nexec {script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(machine, "_VCGENCMD_TIMEOUT", 0.5)
    assert machine.throttling(tmp_path).outcome is Outcome.ABSENT


@pytest.mark.parametrize(
    ("celsius", "finding"),
    [
        (None, absent("no sensor")),
        (52.3, passed("52.3 degrees Celsius")),
        (84.0, failed("84.0 degrees Celsius")),
    ],
)
def test_the_temperature(monkeypatch: pytest.MonkeyPatch, celsius: float | None, finding: Finding) -> None:
    monkeypatch.setattr(machine, "measure", lambda: health.Health(temperature=celsius))
    assert machine.temperature() == finding
