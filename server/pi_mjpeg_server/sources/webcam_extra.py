"""The extra `v4l2`, which USB webcams need: whether it is missing, and the command that installs it."""

import importlib.util
import os
import shlex
import sys
import sysconfig
from collections.abc import Collection
from importlib.metadata import requires
from pathlib import Path

_DISTRIBUTION = "pi-mjpeg-server"
_EXTRA = "v4l2"
_MODULE = "linuxpy"
_VIDEO_DEVICES = Path("/sys/class/video4linux")


def install_command() -> str:
    """Return the shell command that installs what the extra needs into the environment of this program.

    It installs the requirement by its own name, so that it works wherever the server itself was installed from.
    """
    requirement = next(
        each.partition(";")[0].strip()
        for each in requires(_DISTRIBUTION) or ()
        if each.startswith(_MODULE) and _EXTRA in each.partition(";")[2]
    )
    sudo = [] if os.access(sysconfig.get_path("purelib"), os.W_OK) else ["sudo"]
    return shlex.join([*sudo, sys.executable, "-m", "pip", "install", requirement])


def missing_webcam_extra(sources: Collection[str]) -> str | None:
    """Return what to do when a USB webcam is plugged in that one of `sources` cannot use without the extra.

    None when there is no such webcam, or when nothing is missing.
    """
    if not {"auto", "v4l2"}.intersection(sources) or importlib.util.find_spec(_MODULE) is not None:
        return None
    webcam = _usb_webcam()
    if webcam is None:
        return None
    return f"{webcam}: USB webcams need the extra [{_EXTRA}], which is not installed. Type\n    {install_command()}"


def _usb_webcam() -> str | None:
    """Return the model of the first USB webcam that the kernel knows, or None; this needs no library."""
    for device in sorted(_VIDEO_DEVICES.glob("video*")):
        if any(part.startswith("usb") for part in device.resolve().parts):
            try:
                return (device / "name").read_text(errors="replace").strip()
            except OSError:
                continue  # unplugged in this moment
    return None
