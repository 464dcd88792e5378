"""Say in one sentence why Picamera2 cannot be imported, and which command helps.

apt's python3-picamera2 consists of compiled modules for one version of Python and of numpy. A virtual environment with
another Python, or with modules from pip that hide apt's, makes the import fail with many kinds of exceptions.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import site
import sys
from pathlib import Path

_PACKAGES = {
    "PIL": "python3-pil",
    "av": "python3-av",
    "jsonschema": "python3-jsonschema",
    "kms": "python3-kms++",
    "libarchive": "python3-libarchive-c",
    "libcamera": "python3-libcamera",
    "numpy": "python3-numpy",
    "picamera2": "python3-picamera2 --no-install-recommends",
    "pidng": "python3-pidng",
    "piexif": "python3-piexif",
    "prctl": "python3-prctl",
    "pykms": "python3-kms++",
    "simplejpeg": "python3-simplejpeg",
    "tqdm": "python3-tqdm",
    "videodev2": "python3-videodev2",
}
"""The Debian package of each module that Picamera2 imports."""
_FROM_PIP = {"PIL": "pillow", "pykms": "rpi-kms", "kms": "rpi-kms", "prctl": "python-prctl", "av": "av"}
"""The distribution of a module at PyPI, where it has another name."""
_NUMPY = re.compile(
    r"numpy\.\S+ size changed|multiarray failed to import|_ARRAY_API|ABI version|compiled using NumPy"
    r"|numpy C-extensions|numpy version|numpy\.(?:_?core|dtype|ufunc)",
    re.IGNORECASE,
)
_SHARED_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_MAX_TEXT = 200


def import_advice(error: BaseException) -> str:
    """Return a sentence about an exception from the import of Picamera2 or of what it needs."""
    said = _text(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing(error.name)
    if _NUMPY.search(_chain(error)):
        return f"numpy does not match apt's modules ({said}): {_remove('numpy')}"
    if found := _SHARED_LIBRARY.search(said):
        return (
            f"the library {found[1]} is missing or older than what needs it ({said}): "
            "type sudo apt update, then sudo apt full-upgrade"
        )
    for name in ("picamera2", "libcamera"):
        if (origin := _origin(name)) is not None and origin.name == f"{name}.py":
            return f"the file {origin} hides the module {name}: give the file another name"
    return _mismatch(error, said)


def _mismatch(error: BaseException, said: str) -> str:
    """Return the sentence about modules that are all there, but not made for each other."""
    module = _module(error)
    if module == "PIL":
        origin = _origin(module)
        again = _pip("install", "--force-reinstall", module) if origin and _is_from_pip(origin) else _remove(module)
        return f"Pillow cannot be imported ({said}): {again}"
    if not isinstance(error, ImportError):
        return f"picamera2 cannot be imported ({said}): {_remove('picamera2')}"
    if module in {"picamera2", "libcamera", None}:
        return f"picamera2 and libcamera do not match ({said}): {_remove('picamera2')}"
    return f"the module {module} does not match this system ({said}): {_remove(module or '')}"


def _missing(name: str) -> str:
    """Return the sentence about a module that is not there. Its parent may be there, built for another Python."""
    top = name.partition(".")[0]
    if name != top and (origin := _origin(top)) is not None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            f"the Python module {name!r} is missing: {origin.parent} is not for Python {version}, which runs here; "
            "make the virtual environment anew with the system's: /usr/bin/python3 -m venv --system-site-packages"
        )
    if top not in _PACKAGES:
        return f"the Python module {name!r} is missing: {_remove('picamera2')}"
    more = (
        "; only Raspberry Pi OS has it, and a venv needs --system-site-packages to see it" if top == "libcamera" else ""
    )
    return f"the Python module {name!r} is missing: install it with: sudo apt install {_PACKAGES[top]}{more}"


def _remove(module: str) -> str:
    """Return the advice to have apt's module used: without another that hides it, or installed anew."""
    origin = _origin(module)
    if origin is None or _is_from_apt(origin):
        package = _PACKAGES.get(module, "python3-picamera2").split(maxsplit=1)[0]
        needed = " ".join(dict.fromkeys([package, "python3-picamera2", "python3-libcamera"]))
        return f"type sudo apt update, then sudo apt install --reinstall {needed}"
    if _is_from_pip(origin):
        return f"{origin.parent} is not apt's, remove it with: {_pip('uninstall', module)}"
    return f"{origin.parent} hides apt's: remove it, or take its folder out of PYTHONPATH"


def _pip(*command: str) -> str:
    *words, module = command
    return shlex.join([sys.executable, "-m", "pip", *words, _FROM_PIP.get(module, module)])


def _module(error: BaseException) -> str | None:
    """Return the top-level module that an exception is about: that it names, or else that it was raised in."""
    if isinstance(error, ImportError) and error.name:
        return error.name.partition(".")[0]
    if isinstance(error, ImportError) and error.path and (inside := _top_of(Path(error.path))):
        return inside
    trace, found = error.__traceback__, None
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        found = name if name in _PACKAGES else found
        trace = trace.tb_next
    return found


def _top_of(file: Path) -> str | None:
    return next((part for part in (file.name.partition(".")[0], *reversed(file.parts)) if part in _PACKAGES), None)


def _origin(module: str) -> Path | None:
    """Return the file of a top-level module without importing it, or None if there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _is_from_apt(origin: Path) -> bool:
    return origin.is_relative_to("/usr/lib")


def _is_from_pip(origin: Path) -> bool:
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    return not _is_from_apt(origin) and any(origin.is_relative_to(folder) for folder in folders)


def _chain(error: BaseException) -> str:
    """Return the texts of an exception and of those that led to it."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(texts) < 8:  # noqa: PLR2004  (enough for what numpy chains)
        texts.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    return " ".join(texts)


def _text(error: BaseException) -> str:
    """Return an exception as a part of one line; for those without words, its type."""
    words = " ".join(str(error).split())
    if isinstance(error, ImportError) and words:
        return words[:_MAX_TEXT]
    return f"{type(error).__name__}: {words}"[:_MAX_TEXT] if words else type(error).__name__
