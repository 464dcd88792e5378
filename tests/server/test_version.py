"""The server, the component and the changelog have the same version. Only `pi_mjpeg_server.VERSION` is edited first."""

import json
import re
import tomllib
from pathlib import Path

from pi_mjpeg_server import VERSION

ROOT = Path(__file__).parents[2]


def test_the_package_takes_its_version_from_the_source() -> None:
    project = tomllib.loads((ROOT / "server/pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "pi_mjpeg_server.VERSION"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_component_has_the_version_of_the_server() -> None:
    # Home Assistant and HACS read it from the manifest as it stands, so it cannot be derived.
    manifest = json.loads((ROOT / "custom_components/pi_mjpeg/manifest.json").read_text())
    assert manifest["version"] == VERSION


def test_the_newest_entry_of_the_changelog_is_about_this_version() -> None:
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == VERSION
