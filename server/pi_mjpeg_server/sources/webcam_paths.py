"""Where the webcams are: their paths, and names that do not depend on what else is plugged in."""

from pathlib import Path

from pi_mjpeg_server.sources import SourceError
from pi_mjpeg_server.sources.v4l2_device import V4L2Device

DEVICES = Path("/dev")


def webcam_path(device: str | None) -> Path:
    """Return the path of a configured device, or that of the first webcam. Raises `SourceError` if there is none."""
    if device is None:
        found = webcams()
        if not found:
            raise SourceError("no webcam is plugged in; `pi-mjpeg cameras` lists those that are")
        return found[0][0]
    if device.isdigit():
        return DEVICES / f"video{device}"
    if "/" not in device:
        for folder in _link_folders():
            if (folder / device).exists():
                return folder / device
    return Path(device) if device.startswith("/") else DEVICES / device


def webcams() -> list[tuple[Path, str]]:
    """Return path and model of each device that offers a format we can use; a webcam also has devices that do not."""
    found = []
    for path in sorted(DEVICES.glob("video*"), key=lambda path: (len(path.name), path.name)):
        try:
            webcam = V4L2Device(path)
        except (OSError, SourceError):
            continue
        try:
            if "usb" in webcam.bus.lower() and webcam.modes((1280, 720)):
                found.append((path, webcam.model))
        except OSError:
            continue
        finally:
            webcam.close()
    return found


def stable_name(path: Path) -> str:
    """Return the name that udev gave a webcam for what it is or where it is plugged in, or else its path."""
    for folder in _link_folders():
        for link in sorted(folder.iterdir()) if folder.is_dir() else ():
            if link.resolve() == path:
                return link.name
    return str(path)


def _link_folders() -> tuple[Path, Path]:
    return DEVICES / "v4l" / "by-id", DEVICES / "v4l" / "by-path"
