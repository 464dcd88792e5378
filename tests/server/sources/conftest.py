"""Python in a process that has a fake webcam."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
            from pi_mjpeg_server.sources import SourceError, SourceSettings, v4l2
            from pi_mjpeg_server.sources.v4l2 import V4L2Source
            v4l2.DEVICES = Path(sys.argv[1])
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
