"""The cloud-init file: what it writes is a configuration, and what it downloads is what a release has."""

import re
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # it comes with schemathesis, its types do not
from deb_package.build import package_path
from deb_package.target import RELEASES, Target
from pi_mjpeg_server import VERSION
from pi_mjpeg_server.config import load
from tooling import cache

TEXT = (cache.ROOT / "packaging/user-data").read_text()


def test_the_configuration_in_it_is_valid_and_has_the_password_file_that_it_names(tmp_path: Path) -> None:
    files = {file["path"]: file for file in yaml.safe_load(TEXT)["write_files"]}
    (configuration := tmp_path / "config.toml").write_text(files["/etc/pi-mjpeg/config.toml"]["content"])
    mqtt = load(configuration, {}, {}).mqtt
    assert mqtt.host == "homeassistant.local"
    assert files[str(mqtt.password_file)]["permissions"] == "0600"


def test_it_downloads_the_package_of_this_version_for_the_release_that_it_is_for() -> None:
    assert TEXT.startswith("#cloud-config\n")
    ssh, download, _, install = yaml.safe_load(TEXT)["runcmd"]
    name = package_path(Target("trixie", "arm64"), Path()).name
    assert f"/releases/download/v{VERSION}/{name}" in download
    # Without this curl gives up at once while there is no network, or the clock is behind the certificate.
    assert "--retry-all-errors" in download
    assert "--force-confold" in install
    assert install.split()[-1] == download.split("--output ")[1].split()[0]
    # It is off on a new card, and the token is read over it.
    assert ssh == "systemctl enable --now ssh"


def test_the_pages_name_packages_of_this_version() -> None:
    names = {package_path(Target(release, arch), Path()).name for release in RELEASES for arch in ("arm64", "armhf")}
    for page in ("README.md", "docs/install.md"):
        named = set(re.findall(r"pi-mjpeg_[\w.+]+\.deb", (cache.ROOT / page).read_text()))
        assert named, page
        assert named <= names, page


def test_the_first_command_for_a_pi_installs_the_package_of_its_usual_system() -> None:
    name = package_path(Target("trixie", "arm64"), Path()).name
    on_the_pi = (cache.ROOT / "README.md").read_text().partition("**On the Pi**")[2]
    assert on_the_pi.partition("```sh\n")[2].startswith(f"sudo apt install ./{name}\n")
    # A Pi without a screen has no browser to download it with.
    assert f"/releases/download/v{VERSION}/{name}\n" in (cache.ROOT / "docs/install.md").read_text()
