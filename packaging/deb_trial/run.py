"""packaging/try-deb: the steps of a trial, one after another, with what each has seen."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deb_package.build import package_path
from deb_package.target import ARCHITECTURES, RELEASES, Target
from tooling.errors import ScriptError
from tooling.progress import say

from deb_trial import steps
from deb_trial.system import System, system
from deb_trial.variants import later


def main(argv: Sequence[str]) -> int:
    """Try the package of one release and architecture. Return 1 at the first step that fails."""
    parser = argparse.ArgumentParser(prog="packaging/try-deb", description=__doc__.partition(": ")[2])
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("architecture", choices=ARCHITECTURES)
    parser.add_argument("--packages", type=Path, default=Path("dist"), metavar="FOLDER", help="where it is (dist)")
    parser.add_argument("--short", action="store_true", help="only install it, serve a picture and purge it")
    parsed = parser.parse_args(argv)
    target = Target(parsed.release, parsed.architecture)
    package = package_path(target, parsed.packages)
    if os.geteuid() != 0 or not package.exists():
        print(f"packaging/try-deb: needs root, and {package} from packaging/build-deb", file=sys.stderr)
        return 1
    try:
        with system(target) as tried, tempfile.TemporaryDirectory() as folder:
            _try(tried, package, Path(folder), short=parsed.short)
    except ScriptError as error:
        print(f"packaging/try-deb: {error}", file=sys.stderr)
        return 1
    return 0


def _try(tried: System, package: Path, folder: Path, *, short: bool) -> None:
    life: list[tuple[Callable[[System, Path], str], Path]] = [
        (steps.install, package),
        (steps.help_texts, package),
        (steps.modules, package),
        (steps.picture, package),
    ]
    if not short:
        first, second = (later(package, number, folder, f"# later {number}") for number in (1, 2))
        life += [
            (steps.upgrade, first),
            (steps.upgrade_changed, second),
            (steps.disabled, second),
            (steps.remove, second),
            (steps.install_again, second),
        ]
    life.append((steps.purge, package))
    if not short:
        life.append((steps.install_over, package))
    for step, argument in life:
        began = time.monotonic()
        seen = step(tried, argument)
        say(f"{time.monotonic() - began:6.1f} s  {step.__name__}: {seen}")
