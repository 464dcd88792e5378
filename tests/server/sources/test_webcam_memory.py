"""A webcam that fails for months costs no memory: what an attempt took is free after it, whichever call failed."""

from pathlib import Path

import pytest

from tests.server.sources.conftest import RunInProcess
from tests.server.support.odd_webcam import make_webcam

ATTEMPTS = 20
MAX_BYTES = 64 << 20
"""Of address space that attempts may come to need: a buffer has 4 MB, so one that is lost in each attempt takes 80."""
GROWTH = """
    import gc, os

    attempts = int(sys.argv[2])

    def attempt():
        source = V4L2Source(SourceSettings(size=(64, 48), fps=120, device="0"))
        try:
            source.open()
            frames = source.frames()
            next(picture for picture in frames if picture)
            frames.close()
        except SourceError as error:
            return str(error)
        finally:
            source.close()

    def used():
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        mappings = Path("/proc/self/maps").read_text().count(sys.argv[1])
        return pages * os.sysconf("SC_PAGESIZE"), mappings, len(os.listdir("/proc/self/fd")), len(gc.get_objects())

    for _ in range(3):
        attempt()
    before = used()
    failures = [attempt() for _ in range(attempts)]
    print(json.dumps([failures, [later - earlier for earlier, later in zip(before, used())]]))
"""


@pytest.mark.parametrize(
    "call", ["OPEN", "QUERYCAP", "S_FMT", "QUERY_EXT_CTRL", "REQBUFS", "QUERYBUF", "QBUF", "STREAMON", "DQBUF", "none"]
)
def test_an_attempt_leaves_nothing_in_memory(tmp_path: Path, run_with_webcam: RunInProcess, call: str) -> None:
    make_webcam(tmp_path, "MJPG 64 48 120\n").inject_fault("errors", f"{call} * EPROTO\n")
    failures, (size, mappings, descriptors, objects) = run_with_webcam(GROWTH, str(ATTEMPTS))
    is_fatal = call not in {"none", "QUERY_EXT_CTRL"}
    assert all(is_fatal == (failure is not None) for failure in failures), failures
    assert size < MAX_BYTES
    assert (mappings, descriptors) == (0, 0)
    assert objects < ATTEMPTS
