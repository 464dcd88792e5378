"""The health of the machine: its temperature, and whether low voltage or heat slows it down."""

from dataclasses import dataclass
from pathlib import Path

_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_BITS = {0: "under_voltage", 1: "frequency_capped", 2: "throttled", 3: "soft_temperature_limit"}
"""The bits of `vcgencmd get_throttled` that describe the present; bits 16 to 19 say the same of the past."""


@dataclass(frozen=True, slots=True)
class Health:
    """`temperature` in degrees Celsius, and the reasons in `throttled`; None for what the machine does not report."""

    temperature: float | None = None
    throttled: tuple[str, ...] | None = None


def measure(thermal: Path = _THERMAL, throttled: Path = _THROTTLED) -> Health:
    """Return the present health. Call it in a thread: the kernel asks the firmware, which takes some milliseconds."""
    return Health(_temperature(thermal), _throttled(throttled))


def _temperature(file: Path) -> float | None:
    text = _read(file)
    return round(int(text) / 1000, 1) if text is not None and text.lstrip("-").isdigit() else None


def _throttled(file: Path) -> tuple[str, ...] | None:
    try:
        bits = int(_read(file) or "", 16)
    except ValueError:
        return None
    return tuple(word for bit, word in _BITS.items() if bits & 1 << bit)


def _read(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
