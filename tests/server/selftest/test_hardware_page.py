"""docs/hardware.md names tests that exist, and every check of the selftest."""

import re

from pi_mjpeg_server.selftest.selftest import CHECKS, STEPS
from tooling import cache

PAGE = (cache.ROOT / "docs/hardware.md").read_text()


def test_each_file_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`((?:tests|benchmarks)/[\w/.]+|test_\w+\.py)`", PAGE))
    assert len(named) > 10
    paths = [path.relative_to(cache.ROOT).as_posix() for path in (cache.ROOT / "tests").rglob("test_*.py")]
    missing = {
        name for name in named if not ((cache.ROOT / name).exists() or any(path.endswith(f"/{name}") for path in paths))
    }
    assert missing == set()


def test_the_page_explains_each_check() -> None:
    explained = ", ".join(re.findall(r"^\| ([a-zA-Z ,.-]+) \|.*\|.*\|$", PAGE, re.MULTILINE))
    assert [name for name in (*CHECKS, *(step.name for step in STEPS)) if name not in explained.split(", ")] == []
