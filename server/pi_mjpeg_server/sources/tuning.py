"""The tuning file of CSI cameras, which libcamera reads from an environment variable when it looks for cameras."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pi_mjpeg_server.sources.picamera2_library import Library

_VARIABLE = "LIBCAMERA_RPI_TUNING_FILE"


class TuningError(Exception):
    """A tuning file cannot be used; the text says why."""


def load_tuning(library: Library, name: str) -> dict[str, Any]:
    """Return the content of a tuning file: a path, or a name in libcamera's own folders. Raises `TuningError`."""
    path = Path(name)
    try:
        if len(path.parts) > 1:
            content = json.loads(path.expanduser().read_bytes())
        else:
            content = library.Picamera2.load_tuning_file(name)
    except (OSError, RuntimeError, ValueError) as error:
        raise TuningError(f"the tuning file {name!r} cannot be used: {error}") from error
    if not isinstance(content, dict):
        raise TuningError(f"the tuning file {name!r} cannot be used: it is no JSON object")
    return content


@contextlib.contextmanager
def tuned(library: Library, content: dict[str, Any]) -> Iterator[str]:
    """Have libcamera look for cameras with this tuning. The path of its file holds inside the `with` block.

    Raises `TuningError` if another camera of this process is open: libcamera reads one file for all of them, and only
    when none is open.
    """
    manager = library.Picamera2._cm  # noqa: SLF001  (Picamera2's own devices reset it in the same way)
    if len(manager.cameras):
        raise TuningError("the tuning file is not used: another camera is open, and libcamera reads one file for all")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        os.environ[_VARIABLE] = file.name
        try:
            manager.reset()
            yield file.name
        finally:
            # The file is gone then: without it, libcamera would find no camera the next time.
            os.environ.pop(_VARIABLE, None)
