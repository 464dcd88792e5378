"""What the machine is: the board, its memory, its system, and whether low voltage or heat slows it down."""

import platform
import re
import struct
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed
from pi_mjpeg_server.system.health import measure

_ROOT = Path("/")
_BOOT_FOLDERS = ("boot/firmware", "boot")
_BOOT_KEYS = re.compile(r"\s*(?:dtoverlay|dtparam|camera_auto_detect|start_x|gpu_mem\w*|arm_64bit)\s*=")
_THROTTLED = Path("sys/devices/platform/soc/soc:firmware/get_throttled")
_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_PAST = 16
"""The bits from this one on say the same of the time since the boot (`vcgencmd get_throttled`)."""
_PACKAGES = ("picamera2", "linuxpy", "pillow", "numpy", "simplejpeg", "aiohttp", "paho-mqtt", "zeroconf")
_HOT = 80.0
"""Degrees Celsius at which a Pi begins to slow down."""
_VCGENCMD_TIMEOUT = 5


def board(root: Path = _ROOT) -> Finding:
    """Say which board it is."""
    machine = platform.machine()
    model = _read(root / "proc/device-tree/model")
    if model is None:
        return absent(f"no device tree, so no Raspberry Pi: {platform.system()} {machine}")
    revision = re.search(r"^Revision\s*:\s*(\w+)", _read(root / "proc/cpuinfo") or "", re.MULTILINE)
    text = f"{model}, revision {revision[1] if revision else 'unknown'}, {machine}"
    return failed(f"{text}: a processor of ARMv6 has not been tried") if machine == "armv6l" else passed(text)


def memory(root: Path = _ROOT) -> Finding:
    """Say how much memory there is."""
    sizes = _meminfo(root)
    return passed(
        f"{sizes['MemTotal']:.0f} MB, {sizes['MemAvailable']:.0f} MB available; "
        f"swap {sizes.get('SwapTotal', 0):.0f} MB, {sizes.get('SwapFree', 0):.0f} MB free"
    )


def contiguous_memory(root: Path = _ROOT) -> Finding:
    """Say how much contiguous memory (CMA) there is, in which CSI cameras have their pictures."""
    sizes = _meminfo(root)
    if not sizes.get("CmaTotal"):
        return absent("the kernel reserves none")
    return passed(f"{sizes['CmaTotal']:.0f} MB, {sizes['CmaFree']:.0f} MB free")


def system(root: Path = _ROOT) -> Finding:
    """Say which system, kernel and Python it is."""
    release = re.search(r'^PRETTY_NAME="?([^"\n]*)', _read(root / "etc/os-release") or "", re.MULTILINE)
    image = (_read(root / "etc/rpi-issue") or "").partition("\n")[0]
    return passed(
        f"{release[1] if release else 'unknown'}{f' ({image})' if image else ''}, kernel {platform.release()}, "
        f"{8 * struct.calcsize('P')} bit programs, {platform.python_implementation()} {platform.python_version()}"
    )


def libraries() -> Finding:
    """Say which versions are installed. The version of libcamera is known once the cameras are listed."""
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return passed(", ".join(found))


def boot_configuration(root: Path = _ROOT) -> Finding:
    """Say which lines of config.txt concern cameras and memory."""
    for folder in _BOOT_FOLDERS:
        text = _read(root / folder / "config.txt")
        if text is not None:
            return passed("; ".join(line.strip() for line in text.splitlines() if _BOOT_KEYS.match(line)) or "nothing")
    return absent("there is no config.txt")


def temperature() -> Finding:
    """Say how hot the processor is."""
    celsius = measure().temperature
    if celsius is None:
        return absent("no sensor")
    return (failed if celsius >= _HOT else passed)(f"{celsius:.1f} degrees Celsius")


def throttling(root: Path = _ROOT) -> Finding:
    """Say whether low voltage or heat slows the machine down, now or earlier."""
    bits = _throttled_bits(root)
    if bits is None:
        return absent("neither the kernel nor vcgencmd says it")
    now = [word for bit, word in _BITS.items() if bits & 1 << bit]
    past = [word for bit, word in _BITS.items() if bits & 1 << (bit + _PAST)]
    text = f"{bits:#x}: now {', '.join(now) or 'nothing'}; since the boot {', '.join(past) or 'nothing'}"
    if "under-voltage" in now + past:
        return failed(f"{text}: use a stronger power supply or a shorter cable")
    return failed(text) if now else passed(text)


def _throttled_bits(root: Path) -> int | None:
    text = _read(root / _THROTTLED)
    if text is None:
        try:
            done = subprocess.run(
                ["vcgencmd", "get_throttled"],  # noqa: S607  (it is in another folder on each system)
                capture_output=True,
                text=True,
                check=False,
                timeout=_VCGENCMD_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        text = done.stdout.partition("=")[2]
    try:
        return int(text, 16)
    except ValueError:
        return None


def _meminfo(root: Path) -> dict[str, float]:
    """Return the sizes in /proc/meminfo, in MB."""
    lines = (root / "proc/meminfo").read_text().splitlines()
    return {name: int(rest.split()[0]) * 1024 / 1e6 for name, _, rest in (line.partition(":") for line in lines)}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0 \n") or None
    except OSError:
        return None
