"""The node id: chosen once, then kept in the state folder, whatever becomes of the machine id."""

import hashlib
import hmac
import re
from pathlib import Path

import pytest
from pi_mjpeg_server.system import identity
from pi_mjpeg_server.system.identity import identify, new_node_id, node_id

MACHINE = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def derived(secret: str) -> str:
    """Return the id that versions before this one made of a machine id."""
    return hmac.new(secret.encode(), b"pi_mjpeg node id", hashlib.sha256).hexdigest()[:12]


class Machine:
    """A machine with a machine id and state folders; the service's folder is `var`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "machine-id"
        monkeypatch.setattr(identity, "_MACHINE_ID", self.file)
        monkeypatch.setattr(identity, "SERVICE_FOLDER", folder / "var")
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "home"))
        monkeypatch.delenv("STATE_DIRECTORY", raising=False)
        self.file.write_text(f"{MACHINE}\n")

    def state(self, name: str, *, old: bool = False) -> Path:
        """Make a state folder; an `old` one is of a version that did not write its id down."""
        path = self.folder / name
        path.mkdir(parents=True)
        if old:
            (path / "token").write_text("a-token-of-that-version\n")
        return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["var", "home/pi-mjpeg", "elsewhere"])
def test_an_existing_installation_keeps_its_id(machine: Machine, name: str) -> None:
    state = machine.state(name, old=True)
    assert node_id(state) == derived(MACHINE)
    assert identify("Garden", state).node == derived(MACHINE)


def test_an_existing_installation_without_a_machine_id_keeps_its_id(machine: Machine) -> None:
    machine.file.unlink()
    state = machine.state("var", old=True)
    (state / "machine-id").write_text("5f" * 16)
    assert node_id(state) == derived("5f" * 16)


@pytest.mark.parametrize("later", [OTHER, "uninitialized", "", None])
def test_another_machine_id_at_the_next_boot_changes_nothing(machine: Machine, later: str | None) -> None:
    state = machine.state("var")
    first = node_id(state)
    assert first == derived(MACHINE)
    if later is None:
        machine.file.unlink()
    else:
        machine.file.write_text(later)
    assert node_id(state) == first


@pytest.mark.parametrize("text", ["uninitialized\n", "", "0" * 32, "short", None])
def test_without_a_usable_machine_id_each_machine_has_its_own(machine: Machine, text: str | None) -> None:
    if text is None:
        machine.file.unlink()
    else:
        machine.file.write_text(text)
    one, other = machine.state("var"), machine.state("home/pi-mjpeg")
    assert node_id(one) != node_id(other)
    assert node_id(one) == node_id(one)
    assert node_id(one) != derived(text.strip() if text else "")


def test_two_servers_of_one_machine_have_two_ids(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [node_id(machine.state(name)) for name in ("var", "home/pi-mjpeg", "one", "two")]
    monkeypatch.setenv("STATE_DIRECTORY", str(machine.folder / "second-unit"))
    ids.append(node_id(machine.state("second-unit")))
    assert len(set(ids)) == 5
    assert ids[0] == derived(MACHINE)


def test_a_person_who_tries_it_out_first_gets_the_id_of_the_later_service(machine: Machine) -> None:
    assert node_id(machine.state("home/pi-mjpeg")) == derived(MACHINE)


@pytest.mark.parametrize("damage", [b"", b"not an id\n", b"\xff\xfe", b"0123456789AB\n"])
def test_a_damaged_file_is_replaced(machine: Machine, damage: bytes) -> None:
    state = machine.state("var")
    (state / "node-id").write_bytes(damage)
    assert node_id(state) == derived(MACHINE)
    assert (state / "node-id").read_text() == f"{derived(MACHINE)}\n"


def test_a_new_id_replaces_the_old_one_for_good(machine: Machine) -> None:
    state = machine.state("var")
    old, new = node_id(state), new_node_id(state)
    assert re.fullmatch("[0-9a-f]{12}", new)
    assert new != old
    assert node_id(state) == new
