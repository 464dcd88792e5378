"""Whatever the import of Picamera2 raises, the commands say in one sentence why, and go on.

The modules are small packages that fail as the real ones do, in a process of their own.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

LIBCAMERA = {"libcamera/__init__.py": "class ColorSpace: pass\nclass Transform: pass\ncontrols = None\n"}
PICAMERA2 = {
    "picamera2/__init__.py": "class Picamera2: pass\n",
    "picamera2/dma_heap.py": "DmaHeap = None\n",
    "picamera2/encoders.py": "JpegEncoder = MJPEGEncoder = None\n",
    "picamera2/outputs.py": "Output = None\n",
    "picamera2/platform.py": "import enum\nPlatform = enum.Enum('Platform', 'VC4')\ndef get_platform(): return None\n",
}
VERSION = f"Python {sys.version_info.major}.{sys.version_info.minor}"


def failing(statement: str, module: str = "picamera2") -> dict[str, str]:
    """Return packages of which one runs `statement` when it is imported."""
    return LIBCAMERA | PICAMERA2 | {f"{module}/__init__.py": statement}


FAILURES = [
    pytest.param(
        failing("from ._libcamera import *", "libcamera"),
        ["'libcamera._libcamera'", VERSION, "venv"],
        id="other Python",
    ),
    pytest.param(failing("import pykms"), ["'pykms' is missing", "python3-kms++"], id="kms missing"),
    pytest.param(failing("import prctl"), ["'prctl' is missing", "python3-prctl"], id="prctl missing"),
    pytest.param(failing("import pidng.core"), ["'pidng' is missing", "python3-pidng"], id="pidng missing"),
    pytest.param(failing("import unheardof"), ["'unheardof' is missing", "apt"], id="unknown module missing"),
    pytest.param(
        failing("raise ImportError('numpy.core.multiarray failed to import')"),
        ["numpy does not match"],
        id="numpy core",
    ),
    pytest.param(
        failing("raise AttributeError('_ARRAY_API not found')"), ["numpy does not match"], id="numpy array API"
    ),
    pytest.param(
        failing("raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')"),
        ["numpy does not match"],
        id="numpy size",
    ),
    pytest.param(
        failing("raise RuntimeError('module compiled against ABI version 0x1000009 but this one is 0x2000000')"),
        ["numpy does not match"],
        id="numpy ABI",
    ),
    pytest.param(
        failing(
            "try:\n  raise ImportError('_ARRAY_API not found')\n"
            "except ImportError as e:\n  raise SystemError('x') from e\n"
        ),
        ["numpy does not match", "SystemError"],
        id="numpy as a cause",
    ),
    pytest.param(
        failing("raise ImportError('libcamera.so.0.3: cannot open shared object file: No such file or directory')"),
        ["libcamera.so.0.3", "full-upgrade"],
        id="shared library",
    ),
    pytest.param(
        failing("from libcamera import NewThing"),
        ["picamera2 and libcamera do not match", "NewThing"],
        id="other release",
    ),
    pytest.param(
        failing("import pykms") | {"pykms.py": "raise ImportError('pykms.so: undefined symbol: _Z', name='pykms')"},
        ["the module pykms does not match", "undefined symbol"],
        id="undefined symbol",
    ),
    pytest.param(
        failing("import PIL.Broken") | {"PIL/__init__.py": "", "PIL/Broken.py": "from PIL import _imaging"},
        ["Pillow cannot be imported", "_imaging"],
        id="Pillow",
    ),
    pytest.param(failing("None.x"), ["picamera2 cannot be imported", "AttributeError"], id="AttributeError"),
    pytest.param(failing("raise RuntimeError"), ["picamera2 cannot be imported (RuntimeError)"], id="RuntimeError"),
    pytest.param(failing("raise OSError(5, 'Input/output error')"), ["OSError", "Input/output"], id="OSError"),
    pytest.param(failing("raise SystemError('init returned NULL')", "libcamera"), ["SystemError"], id="SystemError"),
    pytest.param(failing("import sys; sys.exit('no camera stack')"), ["SystemExit: no camera stack"], id="SystemExit"),
    pytest.param(failing("raise SyntaxError('one\\ntwo')"), ["SyntaxError: one two"], id="two lines"),
    pytest.param(
        {**LIBCAMERA, "picamera2.py": "from picamera2 import Picamera2"},
        ["picamera2.py hides"],
        id="own file of the name",
    ),
    pytest.param(
        LIBCAMERA
        | PICAMERA2
        | {
            "picamera2/__init__.py": "class Picamera2:\n @staticmethod\n"
            " def global_camera_info(): raise RuntimeError('no')\n"
        },
        ["libcamera cannot list the cameras: RuntimeError: no"],
        id="list of cameras",
    ),
]


def pi_mjpeg(folder: Path, packages: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where these packages come first."""
    for name, text in packages.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, "-m", "pi_mjpeg_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)  # noqa: S603


@pytest.mark.parametrize(("packages", "words"), FAILURES)
def test_the_list_of_cameras_says_in_one_sentence_why_there_is_no_picamera2(
    tmp_path: Path, packages: dict[str, str], words: list[str]
) -> None:
    done = pi_mjpeg(tmp_path, packages, "cameras")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("picamera2: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert any(line.startswith("v4l2: ") for line in done.stdout.splitlines())


@pytest.mark.parametrize("source", ["auto", "picamera2"])
@pytest.mark.parametrize("statement", ["None.x", "import sys; sys.exit(3)", "raise OSError(5, 'Input/output error')"])
def test_a_camera_gets_the_same_sentence_and_auto_goes_on(tmp_path: Path, source: str, statement: str) -> None:
    picture = tmp_path / "now.jpg"
    done = pi_mjpeg(tmp_path, failing(statement), "snapshot", "--source", source, "--size", "320x240", str(picture))
    assert done.returncode == (0 if source == "auto" else 1), done.stderr
    assert picture.exists() == (source == "auto")
    assert "picamera2 cannot be imported" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_attempt_gives_the_first_reason(tmp_path: Path) -> None:
    """Half-imported modules would fail in another way, such as numpy: cannot load module more than once."""
    folder = tmp_path / "modules"
    folder.mkdir()
    text = "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\nraise RuntimeError(f'attempt {builtins.n}')\n"
    for name, content in failing(text).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    script = """
        from pi_mjpeg_server.sources import SourceError
        from pi_mjpeg_server.sources.picamera2_library import load_library
        for _ in range(2):
            try:
                load_library()
            except SourceError as error:
                print(error)
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.stdout.count("attempt 1") == 2, done.stderr
