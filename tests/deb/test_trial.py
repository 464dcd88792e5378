"""The trial's systems: how commands are run in them."""

from pathlib import Path

from deb_package.target import Target
from deb_trial.system import System


def test_a_command_runs_on_the_processor_of_the_oldest_pi() -> None:
    for architecture, processor in (("arm64", "cortex-a53"), ("armhf", "cortex-a7")):
        command = System(Path("/nowhere"), Target("trixie", architecture)).command("pi-mjpeg", "--help")
        assert f"QEMU_CPU={processor}" in command[: command.index("pi-mjpeg")]


def test_a_command_of_this_machines_architecture_is_not_emulated() -> None:
    assert "QEMU_CPU" not in " ".join(System(Path("/nowhere"), Target("trixie", "amd64")).command("pi-mjpeg"))
