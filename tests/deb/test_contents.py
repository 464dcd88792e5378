"""What is in the package, and what dpkg is told about it."""

import gzip
import io
import itertools
import re
import stat
import subprocess
import tarfile
import tomllib
from pathlib import Path

from deb_package.target import ARCHITECTURES, RELEASES, Target
from packaging.requirements import Requirement
from pi_mjpeg_server import VERSION
from pi_mjpeg_server.cli.arguments import make_parser
from pi_mjpeg_server.config import load
from pi_mjpeg_server.system.unit import packaged_unit_text
from tooling import cache
from tooling.processes import run

from tests.deb.conftest import Package

PINNED = (cache.ROOT / "packaging/requirements.txt").read_text()


def test_the_package_has_the_version_of_the_server(package: Package) -> None:
    assert package.control("Version") == f"{VERSION}+{package.target.version_suffix}"
    assert package.python("from pi_mjpeg_server.cli import main; main()", "--version").split()[-1] == VERSION


def test_every_module_of_the_package_is_there_and_is_loaded_from_it(package: Package) -> None:
    names = ("aiohttp._http_parser", "zeroconf", "PIL._imagingft", "linuxpy.video.device", "paho.mqtt.client")
    code = f"import importlib; [print(importlib.import_module(name).__file__) for name in {names}]"
    for path in package.python(code).split():
        assert Path(path).is_relative_to(package.modules)


def test_the_sources_of_pictures_are_found(package: Package) -> None:
    code = "from pi_mjpeg_server.sources import kinds; print(*kinds())"
    assert {"emulated", "files", "picamera2", "v4l2"} <= set(package.python(code).split())


def test_the_environment_sees_the_modules_of_the_system(package: Package) -> None:
    home = package.root / "opt/pi-mjpeg"
    assert "include-system-site-packages = true" in (home / "pyvenv.cfg").read_text()
    assert str((home / "bin/python3").readlink()) == f"/usr/bin/python{package.target.python}"
    assert (home / "bin/pi-mjpeg").read_text().startswith("#!/opt/pi-mjpeg/bin/python3\n")
    assert str((package.root / "usr/bin/pi-mjpeg").readlink()) == "/opt/pi-mjpeg/bin/pi-mjpeg"


def test_the_unit_is_that_of_the_server(package: Package) -> None:
    assert (package.root / "usr/lib/systemd/system/pi-mjpeg.service").read_text() == packaged_unit_text()


def test_the_configuration_is_a_conffile_and_valid_with_and_without_its_examples(
    package: Package, tmp_path: Path
) -> None:
    assert (package.root / "DEBIAN/conffiles").read_text() == "/etc/pi-mjpeg/config.toml\n"
    path = package.root / "etc/pi-mjpeg/config.toml"
    assert load(path, {}, {}).mqtt.host is None
    examples = path.read_text().partition("# [mqtt]")
    (used := tmp_path / "used.toml").write_text(re.sub("^# ", "", "".join(examples[1:]), flags=re.MULTILINE))
    configuration = load(used, {}, {})
    assert configuration.mqtt.host is not None
    assert configuration.cameras[0].name == "Front door"


def test_all_files_belong_to_root_and_only_commands_can_be_run(package: Package) -> None:
    listing = subprocess.run(["dpkg-deb", "--fsys-tarfile", package.file], capture_output=True, check=True).stdout  # noqa: S603, S607
    with tarfile.open(fileobj=io.BytesIO(listing)) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "root")}
    runnable = {member.name for member in members if member.isfile() and member.mode & 0o111}
    assert runnable == {"./opt/pi-mjpeg/bin/pi-mjpeg"}
    assert all(stat.S_IMODE(member.mode) in {0o644, 0o755} for member in members if not member.issym())
    # The package is the same whenever and wherever it is built.
    assert len({member.mtime for member in members}) == 1


def test_nothing_of_the_machine_that_built_it_is_in_it(package: Package) -> None:
    names = {path.name for path in package.root.rglob("*")}
    assert not names & {"direct_url.json", "__pycache__", ".lock"}
    for name in ("RECORD", "METADATA"):
        for path in package.modules.rglob(name):
            assert str(cache.ROOT) not in path.read_text()


def test_what_is_pinned_is_what_the_server_asks_for() -> None:
    project = tomllib.loads((cache.ROOT / "server/pyproject.toml").read_text())["project"]
    pinned = dict(re.findall(r"^([a-z-]+)==([\w.]+) \\$", PINNED, re.MULTILINE))
    for text in (*project["dependencies"], *project["optional-dependencies"]["v4l2"]):
        wanted = Requirement(text)
        assert pinned[wanted.name] in wanted.specifier, text


def test_the_copyright_file_names_each_distribution_and_where_its_licence_is(package: Package) -> None:
    text = (package.root / "usr/share/doc/pi-mjpeg/copyright").read_text()
    assert (cache.ROOT / "LICENSE").read_text().strip() in text
    for name, version in re.findall(r"^([a-z-]+)==([\w.]+) \\$", PINNED, re.MULTILINE):
        found = re.search(rf"^{re.sub('-', '[-_]', name)} {re.escape(version)}: (.+)\n    /(.+)$", text, re.MULTILINE)
        assert found is not None, name
        assert (package.root / found[2] / "METADATA").exists()
    assert "linuxpy 0.25.0: GPL-3.0-or-later" in text


def test_the_manual_page_names_every_command(package: Package) -> None:
    page = gzip.decompress((package.root / "usr/share/man/man1/pi-mjpeg.1.gz").read_bytes()).decode()
    commands = next(action.choices for action in make_parser()._actions if isinstance(action.choices, dict))  # noqa: SLF001
    assert commands
    assert all(f"\n.B {name}" in page for name in commands)


def test_the_changelog_names_version_and_release(package: Package) -> None:
    text = gzip.decompress((package.root / "usr/share/doc/pi-mjpeg/changelog.gz").read_bytes()).decode()
    assert text.startswith(f"pi-mjpeg ({package.control('Version')}) {package.target.release};")


def test_each_release_has_its_python_and_a_newer_release_a_newer_version() -> None:
    for architecture in ARCHITECTURES:
        bookworm, trixie = (Target(release, architecture) for release in RELEASES)
        assert {"python3 (>= 3.11)", "python3 (<< 3.12)"} <= set(bookworm.dependencies)
        assert {"python3 (>= 3.13)", "python3 (<< 3.14)"} <= set(trixie.dependencies)
        older, newer = (f"{VERSION}+{target.version_suffix}" for target in (bookworm, trixie))
        run(["dpkg", "--compare-versions", older, "lt", newer])
        run(["dpkg", "--compare-versions", f"{VERSION}.1+deb12", "gt", newer])


def test_pillow_is_debians_where_pypi_has_none_and_debian_a_new_one() -> None:
    targets = itertools.starmap(Target, itertools.product(RELEASES, ARCHITECTURES))
    needs = {(target.release, target.architecture): ", ".join(target.dependencies) for target in targets}
    assert [key for key, text in needs.items() if "python3-pil" in text] == [("trixie", "armhf")]
    assert [key for key, text in needs.items() if "libjpeg62-turbo" in text] == [("bookworm", "armhf")]
