"""What build-pillow calls: programs that note their arguments stand in for the real ones."""

import os
import subprocess
from pathlib import Path

from tooling import cache

_NOTE = '#!/bin/sh\necho {name} "$@" >> {called}\n'


def test_only_pillow_itself_is_built_from_source_with_the_hashes_of_the_package(tmp_path: Path) -> None:
    called = tmp_path / "called"
    (programs := tmp_path / "bin").mkdir()
    for name in ("debootstrap", "python3", "unshare"):
        (programs / name).write_text(_NOTE.format(name=name, called=called))
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    words = [cache.ROOT / "packaging/build-pillow", tmp_path / "wheels"]
    done = subprocess.run(words, check=False, env=environment, capture_output=True, text=True, timeout=30)  # noqa: S603
    # Nothing was built, so there is no wheel to copy.
    assert "pillow-*.whl" in done.stderr
    system, source, tools, wheel, *_ = called.read_text().splitlines()
    assert system.startswith("debootstrap --arch=armhf ")
    # The names of all distributions would also have pip build its tools from source, cmake among them.
    assert " --no-binary pillow " in source
    assert " --require-hashes " in source
    assert "--no-binary" not in tools
    assert wheel.startswith("unshare --net chroot ")
    # What it made on the way is gone.
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "called", "wheels"}
