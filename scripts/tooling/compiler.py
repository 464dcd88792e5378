"""Compiles C for the tests, with the machine's own compiler or with zig, which PyPI has as a package."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tooling import cache
from tooling.errors import ScriptError
from tooling.installer import uv
from tooling.processes import run

_ZIG = "ziglang==0.17.1"
_LIBRARY_FLAGS = ("-O1", "-shared", "-fPIC")
_PROGRAM_FLAGS = ("-O2",)


def shared_library(source: Path) -> Path:
    """Return the shared library compiled from one C file, which may include others.

    Raises ScriptError with the compiler's output.
    """
    return _compiled(source, "library.so", _LIBRARY_FLAGS)


def executable(source: Path) -> Path:
    """Return the program compiled from one C file. Raises ScriptError with the compiler's output."""
    return _compiled(source, "program", _PROGRAM_FLAGS)


def _compiled(source: Path, name: str, flags: tuple[str, ...]) -> Path:
    def build(into: Path) -> None:
        into.mkdir()
        arguments: tuple[str | Path, ...] = (*flags, "-o", into / name, source, "-ldl")
        own = shutil.which("cc")
        if own:
            try:
                run([own, *arguments])
            except ScriptError:
                # Some machines have a compiler without the kernel's headers.
                own = None
        if own is None:
            run([_zig() / "bin/python", "-m", "ziglang", "cc", *arguments])

    kind = name.removesuffix(".so")
    text = "".join(_texts(source))
    return cache.ensure(f"{kind}-{source.stem}", f"{flags} {text}", build) / name


def _texts(source: Path) -> Iterator[str]:
    """Yield the text of a C file, and of those that it includes by a path."""
    text = source.read_text()
    yield text
    for name in re.findall(r'^#include "(.+)"', text, re.MULTILINE):
        yield from _texts(source.parent / name)


def _zig() -> Path:
    def build(into: Path) -> None:
        uv("venv", "--python", sys.executable, into)
        uv("pip", "install", "--python", into, _ZIG)

    return cache.ensure("env-compiler", f"{sys.executable} {_ZIG}", build)
