"""The systemd unit, and how it is installed and removed. systemd's own programs verify it."""

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pi_mjpeg_server.config import ConfigurationError, load
from pi_mjpeg_server.system import service
from pi_mjpeg_server.system.unit import UnitSettings, packaged_unit_text, unit_text
from tooling.programs import program

PLAIN = UnitSettings(["/opt/pi-mjpeg/bin/pi-mjpeg", "run"])
ODD = Path('/home/pi/50% of "it\'s": a\\b $HOME')
UNITS = "etc/systemd/system"
WANTED = f"{UNITS}/multi-user.target.wants/pi-mjpeg.service"


def analysed(folder: Path, text: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on a unit.

    It is analysed as a user's unit, because only root can analyse a system's; the settings mean the same. The targets
    that it names are empty ones, so that the units of this machine do not influence the result.
    """
    (file := folder / "pi-mjpeg.service").write_text(text)
    (units := folder / "units").mkdir()
    (folder / "runtime").mkdir(mode=0o700)
    for target in ("basic", "shutdown", "network-online", "multi-user"):
        (units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    environment |= {"SYSTEMD_UNIT_PATH": str(units), "XDG_RUNTIME_DIR": str(folder / "runtime")}
    command = [str(program("systemd-analyze")), "--user", *words, str(file)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)  # noqa: S603


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


@pytest.mark.parametrize(
    "settings",
    [
        UnitSettings([sys.executable, "run"]),
        UnitSettings(
            [sys.executable, "run", f"--name={ODD}", "--host=::1", ";", ""], {"PI_MJPEG_CONFIG": ODD}, [ODD], 80
        ),
    ],
)
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path, settings: UnitSettings) -> None:
    done = analysed(tmp_path, unit_text(settings), "verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_understands_every_line_of_the_packaged_unit(tmp_path: Path) -> None:
    done = analysed(tmp_path, packaged_unit_text().replace("/opt/pi-mjpeg/bin/pi-mjpeg", sys.executable), "verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_packaged_unit_is_that_of_install_service_for_any_configuration() -> None:
    packaged, installed = (set(unit.splitlines()[1:]) for unit in (packaged_unit_text(), unit_text(PLAIN)))
    assert packaged - installed == {
        "LoadCredential=etc:/etc/pi-mjpeg",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    }
    assert installed - packaged == {"CapabilityBoundingSet=", "AmbientCapabilities="}


def test_the_tests_above_would_see_a_wrong_line(tmp_path: Path) -> None:
    wrong = unit_text(UnitSettings([sys.executable, "run"])).replace("ProtectSystem=strict", "ProtectSystem=very")
    assert "ignoring: very" in analysed(tmp_path, wrong, "verify").stderr


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    done = analysed(tmp_path, unit_text(PLAIN), "security", "--offline=true")
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    # As the system's unit it is 1.8 (systemd 252); a user's cannot have all of the same.
    assert float(exposure[1]) <= 2.0


def test_the_modules_of_the_allowed_devices_are_loaded_before_the_service_starts() -> None:
    text = unit_text(PLAIN)
    assert {"char-video4linux rw", "char-media rw"} <= set(lines(text, "DeviceAllow"))
    assert "modprobe@videodev.service" in lines(text, "Wants")
    assert "modprobe@videodev.service" in lines(text, "After")


ODD_TEXTS = [
    "50% %h %d %%",
    " a space before and after ",
    "'single' quotes'",
    '"double" quotes"',
    "a back\\slash and one at the end\\",
    "two at the end\\\\",
    "$HOME ${HOME} $$",
    "; # a comment?",
    "a:colon::b",
    "@-:+!prefix",
    "grün 猫",
    "\\x41 \\n \\t",
    "{braces} {command}",
    "",
]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_systemd_reads_every_value_as_it_was_given(tmp_path: Path, text: str) -> None:
    """It prints what it has read when its log level is debug."""
    bind = Path(f"/home/pi/{text}x")
    arguments = [f"--name={text}", text, "last"]
    text_of_unit = unit_text(UnitSettings([sys.executable, *arguments], {"PI_MJPEG_CONFIG": bind}, [bind]))
    done = analysed(tmp_path, text_of_unit, "verify", SYSTEMD_LOG_LEVEL="debug", SYSTEMD_LOG_TARGET="console")
    read = [line.strip() for line in done.stdout.splitlines()]
    [command] = [line.removeprefix("Command Line: ") for line in read if line.startswith("Command Line: ")]
    # It writes commands as for a shell, and resolves $$ when it runs them.
    words = shlex.split(re.sub(r"\\([$`])", r"\1", command))
    assert [word.replace("$$", "$") for word in words] == [sys.executable, *arguments]
    assert f"BindReadOnlyPaths: {bind}:{bind}:rbind" in read
    assert lines(text_of_unit, "LoadCredential") == [f"config:{bind}".replace("%", "%%")]


UNPRINTABLE = [
    "\n",
    "\nExecStartPre=+:touch /tmp/x",
    "\r",
    "\0",
    "\x1b[31m",
    "\t",
    "\x85",
    "\u2028",
    "\u202e",
    "\udcff",
    "\xa0",
]


@pytest.mark.parametrize("text", UNPRINTABLE, ids=ascii)
@pytest.mark.parametrize(
    "settings",
    [
        lambda text: UnitSettings([f"/opt/{text}/pi-mjpeg", "run"]),
        lambda text: UnitSettings(["/opt/pi-mjpeg", "run", f"--name={text}"]),
        lambda text: UnitSettings(["/opt/pi-mjpeg", "run", text]),
        lambda text: UnitSettings(["/opt/pi-mjpeg"], {"PI_MJPEG_CONFIG": Path(f"/etc/{text}")}),
        lambda text: UnitSettings(["/opt/pi-mjpeg"], {f"PI_MJPEG_{text}": Path("/etc/config")}),
        lambda text: UnitSettings(["/opt/pi-mjpeg"], read_only_paths=[Path(f"/home/{text}/pi")]),
    ],
    ids=["program", "flag", "argument", "credential", "variable", "folder"],
)
def test_a_value_that_cannot_be_printed_never_stands_in_the_unit(
    settings: Callable[[str], UnitSettings], text: str
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be printed") as raised:
        unit_text(settings(text))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "settings",
    [
        UnitSettings(["/opt/$HOME/pi-mjpeg"]),
        UnitSettings(["/opt/pi-mjpeg"], {"PI_MJPEG_CONFIG": Path("/etc/pi.toml ")}),
        UnitSettings(["/opt/pi-mjpeg"], {"PI_MJPEG_CONFIG": Path("/etc/pi.toml\\")}),
        UnitSettings(["/opt/pi-mjpeg"], read_only_paths=[Path("/home/pi/../root")]),
    ],
)
def test_a_value_that_systemd_would_read_differently_is_refused(settings: UnitSettings) -> None:
    with pytest.raises(ConfigurationError, match="systemd"):
        unit_text(settings)


def test_a_link_to_a_file_whose_name_has_a_line_break_is_not_installed(tmp_path: Path) -> None:
    (named := tmp_path / "x\nExecStartPre=+:touch").write_text("")
    (config := tmp_path / "pi.toml").symlink_to(named)
    for words in (("--print",), ()):
        done = pi_mjpeg(*words, "--config", config)
        assert done.returncode == 78
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert "line break" in done.stderr
    done = pi_mjpeg("--print", "--port", "8001\n[Service]\nUser=root")
    assert done.returncode == 78
    assert done.stdout == ""


def test_arguments_reach_the_program_unchanged() -> None:
    text = unit_text(UnitSettings(["/opt/a b/pi-mjpeg", "run", f"--name={ODD}", "--size=640x480"]))
    assert lines(text, "ExecStart") == [
        r'"/opt/a b/pi-mjpeg" run "--name=/home/pi/50%% of \"it\'s\": a\\b $$HOME" --size=640x480'.replace(r"\'", "'")
    ]


def test_of_a_home_folder_only_the_program_is_visible() -> None:
    text = unit_text(
        UnitSettings(
            PLAIN.command, read_only_paths=[Path("/home/pi/venv"), Path("/usr"), Path("/home/pi/a:b c"), Path("/opt")]
        )
    )
    assert lines(text, "ProtectHome") == ["tmpfs"]
    assert lines(text, "BindReadOnlyPaths") == [r'"/home/pi/a\:b c"', "/home/pi/venv"]
    assert lines(unit_text(PLAIN), "ProtectHome") == ["yes"]
    assert "BindReadOnlyPaths" not in unit_text(PLAIN)


@pytest.mark.parametrize(("port", "capability"), [(8000, ""), (1024, ""), (1023, "CAP_NET_BIND_SERVICE")])
def test_a_port_below_1024_is_the_only_reason_for_a_capability(port: int, capability: str) -> None:
    text = unit_text(UnitSettings(PLAIN.command, port=port))
    assert lines(text, "CapabilityBoundingSet") == lines(text, "AmbientCapabilities") == [capability]


def test_the_service_runs_this_program_with_the_flags_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flags = {"--name": "Garden", "--port": "8001", "--mqtt-host": None}
    configuration = load(None, {}, flags)
    monkeypatch.setattr(sys, "argv", ["/somewhere/pi_mjpeg_server/__main__.py"])
    settings = service.unit_settings(configuration, None, flags)
    assert settings.command == [sys.executable, "-m", "pi_mjpeg_server", "run", "--name=Garden", "--port=8001"]
    assert settings.port == 8001
    (script := tmp_path / "venv" / "pi-mjpeg").parent.mkdir()
    script.touch()
    (link := tmp_path / "pi-mjpeg").symlink_to(script)
    monkeypatch.setattr(sys, "argv", [str(link)])
    assert service.unit_settings(configuration, None, {}).command == [str(script), "run"]


def test_the_service_can_read_its_program_and_the_pictures_it_plays(tmp_path: Path) -> None:
    (pictures := tmp_path / "pictures").mkdir()
    configuration = load(None, {}, {"--source": "files", "--device": str(pictures)})
    code = service.unit_settings(configuration, None, {}).read_only_paths
    for needed in (sys.prefix, sys.base_prefix, service.__file__, pictures):
        assert any(Path(needed).resolve().is_relative_to(shown.resolve()) for shown in code), needed
    within = load(None, {}, {"--source": "files", "--device": str(Path(sys.prefix, "lib"))})
    assert Path(sys.prefix, "lib") not in service.unit_settings(within, None, {}).read_only_paths


def test_the_service_gets_its_configuration_and_its_secrets_as_credentials(tmp_path: Path) -> None:
    (password := tmp_path / "password").write_text("secret")
    (file := tmp_path / "pi.toml").write_text(
        f"[server]\nstate_dir = '/nowhere'\n[mqtt]\nhost = 'broker'\nusername = 'me'\npassword_file = '{password}'\n"
    )
    text = unit_text(service.unit_settings(load(file, {}, {}), file, {}))
    (credentials := tmp_path / "credentials").mkdir()
    for line in lines(text, "LoadCredential"):
        name, _, path = line.partition(":")
        (credentials / name).write_bytes(Path(path).read_bytes())
    file.unlink()
    password.unlink()
    specifiers = {"%d": str(credentials), "%S": "/var/lib"}
    pairs = (re.sub("%[dS]", lambda found: specifiers[found[0]], line) for line in lines(text, "Environment"))
    environment = dict(pair.split("=", 1) for pair in pairs)
    configuration = load(Path(environment["PI_MJPEG_CONFIG"]), environment, {})
    assert configuration.mqtt.host == "broker"
    assert configuration.mqtt.password_file is not None
    assert configuration.mqtt.password_file.read_text() == "secret"
    assert configuration.server.state_dir == Path("/var/lib/pi-mjpeg")


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    flags = {"--mqtt-username": "me", "--mqtt-password-file": str(tmp_path / "none")}
    with pytest.raises(ConfigurationError, match="there is no file"):
        service.unit_settings(load(None, {}, flags), None, flags)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root folder of a system that does not run, with systemctl on PATH."""
    monkeypatch.setenv("PATH", f"{program('systemctl').parent}:{os.environ['PATH']}")
    (path := tmp_path / "root").mkdir()
    return path


def test_a_service_is_installed_in_a_system_that_does_not_run_and_removed(root: Path) -> None:
    for _ in range(2):
        said = service.install(PLAIN, root)
        assert "when the machine does" in said
        assert "token --state-dir /var/lib/pi-mjpeg" in said
        assert (root / UNITS / "pi-mjpeg.service").read_text() == unit_text(PLAIN)
        assert stat.S_IMODE((root / UNITS / "pi-mjpeg.service").stat().st_mode) == 0o644
        assert (root / WANTED).is_symlink()
    assert "Removed" in service.remove(root)
    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert "nothing to remove" in service.remove(root)


def test_removing_a_unit_names_the_command_that_starts_the_packages(root: Path) -> None:
    (packaged := root / "usr/lib/systemd/system/pi-mjpeg.service").parent.mkdir(parents=True)
    packaged.write_text(packaged_unit_text())
    service.install(PLAIN, root)
    assert "sudo systemctl enable --now pi-mjpeg" in service.remove(root)
    assert packaged.exists()


@pytest.fixture
def calls(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the system look booted; return the file that its systemctl writes its calls to. The first start fails."""
    (root / "run/systemd/system").mkdir(parents=True)
    (folder := root.parent / "bin").mkdir()
    said = root.parent / "calls"
    (folder / "systemctl").write_text(
        f'#!/bin/sh\necho "$*" >> {said}\n'
        f'[ "$1" = restart ] && [ $(grep -c restart {said}) = 1 ] && echo no such luck >&2 && exit 1\nexit 0\n'
    )
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return said


def test_in_a_running_system_the_service_starts_at_once(root: Path, calls: Path) -> None:
    with pytest.raises(service.ServiceError, match=r"(?s)restart pi-mjpeg.*no such luck.*journalctl"):
        service.install(PLAIN, root)
    assert "The service runs" in service.install(PLAIN, root)
    service.remove(root)
    started = ["daemon-reload", "enable pi-mjpeg.service", "restart pi-mjpeg.service"]
    stopped = ["disable --now pi-mjpeg.service", "daemon-reload"]
    assert calls.read_text().splitlines() == [*started, *started, *stopped]


def test_without_systemd_there_is_an_error_and_nothing_is_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(service.ServiceError, match="no systemctl"):
        service.install(PLAIN, root)
    assert list(root.iterdir()) == []


def test_a_program_that_the_service_cannot_read_is_not_installed(root: Path, tmp_path: Path) -> None:
    (closed := tmp_path / "venv").mkdir(mode=0o700)
    with pytest.raises(service.ServiceError, match=f"chmod o\\+rx {re.escape(str(closed))}"):
        service.install(UnitSettings(PLAIN.command, read_only_paths=[closed]), root)
    assert list(root.iterdir()) == []


def pi_mjpeg(*arguments: str | Path, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command and return how it ended; `before` is Python code that runs when all is imported.

    It finds no systemctl, so that a broken test never installs anything on the machine it runs on.
    """
    imports = "import os, sys\nfrom pi_mjpeg_server.cli import main\nfrom pi_mjpeg_server.system import service\n"
    script = f"{imports}from pi_mjpeg_server.sources import webcam_extra\n{before}\nsys.exit(main())"
    command = [sys.executable, "-c", script, "install-service", *map(str, arguments)]
    return subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": "/nowhere", **environment},
    )


def test_print_prints_the_unit_and_nothing_else(tmp_path: Path) -> None:
    (file := tmp_path / "pi.toml").write_text("[server]\nport = 80\n")
    done = pi_mjpeg("--print", "--config", file, "--quality", "70", PI_MJPEG_PORT="not of the service")
    assert done.returncode == 0
    assert done.stderr == ""
    assert lines(done.stdout, "LoadCredential") == [f"config:{file}"]
    assert lines(done.stdout, "AmbientCapabilities") == ["CAP_NET_BIND_SERVICE"]
    assert lines(done.stdout, "ExecStart") == [f"{sys.executable} -m pi_mjpeg_server run --quality=70"]


def test_a_bad_configuration_is_not_installed(tmp_path: Path) -> None:
    (file := tmp_path / "pi.toml").write_text("[server]\nprot = 80\n")
    assert pi_mjpeg("--config", file).returncode == 78
    assert pi_mjpeg("--print", "--config", file).returncode == 78
    assert pi_mjpeg("--print", "--remove").returncode == 2
    assert pi_mjpeg("--state-dir", tmp_path).returncode == 2


def test_without_root_the_message_has_the_sudo_command() -> None:
    nobody = "if os.geteuid() == 0:\n    os.setgroups([])\n    os.setgid(65534)\n    os.setuid(65534)\n"
    done = pi_mjpeg("--name", "a b", before=nobody)
    assert done.returncode == 1
    assert done.stdout == ""
    typed = shlex.split(done.stderr.splitlines()[-1])
    assert typed == ["sudo", sys.executable, "-m", "pi_mjpeg_server", "install-service", "--name", "a b"]
