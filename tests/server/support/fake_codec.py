"""The Pi's hardware encoder without a Pi: a fake /dev/video11 for other processes, and the faults of a test."""

from pathlib import Path

from tooling import cache, debian
from tooling.compiler import shared_library

from tests.server.support.fault_folder import FaultFolder

SOURCE = Path(__file__).parent / "fake_codec" / "fake_codec.c"


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which a process has the encoder that `folder` scripts."""
    unpacked = cache.ensure("libturbojpeg", "", lambda into: debian.unpack(["libturbojpeg0"], into))
    library = next(found for folder in debian.libraries(unpacked) for found in folder.glob("libturbojpeg.so.0"))
    return {
        "LD_PRELOAD": str(shared_library(SOURCE)),
        "FAKE_CODEC": str(folder),
        "FAKE_CODEC_TURBOJPEG": str(library),
    }


class FakeCodec(FaultFolder):
    """The script of one encoder: a folder with an entry for each fault."""

    def __init__(self, path: Path) -> None:
        """Create the folder: an encoder without faults."""
        self.path = path
        path.mkdir(parents=True)

    @property
    def log(self) -> list[str]:
        """Return what was done with the encoder, in order: see `fake_codec.c`."""
        file = self.path / "log"
        return file.read_text().splitlines() if file.exists() else []
