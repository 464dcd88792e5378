"""Compiles what the tests preload: by the machine's own C compiler, else by zig's, which comes as a Python package."""

import shutil
import sys
from pathlib import Path

from workbench import cache
from workbench.errors import ScriptError
from workbench.installer import uv
from workbench.processes import run

_ZIG = "ziglang==0.17.1"
_WORDS = ("-O1", "-shared", "-fPIC")


def shared_library(source: Path) -> Path:
    """Return the shared library made of one C file. Raises ScriptError with the compiler's words."""

    def make(into: Path) -> None:
        into.mkdir()
        words = (*_WORDS, "-o", into / "library.so", source, "-ldl")
        own = shutil.which("cc")
        if own:
            try:
                run([own, *words])
            except ScriptError:
                # A compiler without the kernel's headers, as some machines have it.
                own = None
        if own is None:
            run([_zig() / "bin/python", "-m", "ziglang", "cc", *words])

    return cache.made(f"library-{source.stem}", f"{_WORDS} {source.read_text()}", make) / "library.so"


def _zig() -> Path:
    def make(into: Path) -> None:
        uv("venv", "--python", sys.executable, into)
        uv("pip", "install", "--python", into, _ZIG)

    return cache.made("env-compiler", f"{sys.executable} {_ZIG}", make)
