"""The short form of the benchmark: no ratio to a peer is much worse than its target."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_live_picture_costs_no_more_than_half_above_its_targets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hot_path", "--short"],
        cwd=ROOT,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": f"{ROOT}/scripts:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "core mjpeg" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout
