"""Python in a process that has a fake webcam, and the real Picamera2 package without a camera."""

import importlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest
from pi_mjpeg_server.sources import contiguous_memory, sensor_modes

from tests.server.support import picamera2_stubs
from tests.server.support.fake_sensor import CAMERAS, CONTROLS, SIZE, FakeMappedArray, Untyped
from tests.server.support.fake_webcam import environment

RunInProcess = Callable[..., Any]

OPENED = """
    source = V4L2Source(SourceSettings(size=(64, 48), fps=30, device=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        info = source.open()
    except SourceError as error:
        print(json.dumps(str(error)))
        sys.exit()
"""


@pytest.fixture
def run_with_webcam(tmp_path: Path) -> RunInProcess:
    """Return a function that runs Python in a process with the webcam, and returns the JSON that it prints."""

    def run(code: str, *arguments: str) -> Any:  # noqa: ANN401  (JSON)
        imports = """
            import json, sys, time
            from itertools import islice
            from pathlib import Path
            from pi_mjpeg_server.sources import SourceError, SourceSettings, webcam_paths
            from pi_mjpeg_server.sources.v4l2 import V4L2Source
            webcam_paths.DEVICES = Path(sys.argv[1])
        """
        program = textwrap.dedent(imports) + textwrap.dedent(code)
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", program, str(tmp_path), *arguments],
            env={"PATH": "", **environment(tmp_path)},
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


@pytest.fixture(autouse=True)
def first_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the process knows of its cameras."""
    monkeypatch.setattr(sensor_modes, "_known", {})
    monkeypatch.setattr(contiguous_memory, "_failed_starts", {})


@pytest.fixture(scope="module")
def library() -> Iterator[ModuleType]:
    """Import the real picamera2 package."""
    saved = {name: sys.modules.get(name) for name in picamera2_stubs.MISSING}
    picamera2_stubs.install()
    yield importlib.import_module("picamera2")
    for name in [name for name in sys.modules if name.partition(".")[0] == "picamera2"]:
        del sys.modules[name]
    for name, module in saved.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


@pytest.fixture
def camera(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Untyped:
    """Return a mock of Picamera2 that refuses calls that do not match the real signatures."""
    kind = create_autospec(library.Picamera2)
    kind.global_camera_info.return_value = CAMERAS
    kind.return_value.camera_controls = CONTROLS
    kind.return_value.camera_configuration.return_value = {"main": {"size": SIZE, "format": "YUV420"}}
    monkeypatch.setattr(library, "Picamera2", kind)
    monkeypatch.setattr(importlib.import_module("picamera2.dma_heap"), "DmaHeap", MagicMock())
    multi_encoder = importlib.import_module("picamera2.encoders.jpeg_encoder")
    monkeypatch.setattr(multi_encoder, "MappedArray", FakeMappedArray)
    return kind
