"""A camera without an id in the configuration keeps the one it got first, wherever its table is in the file."""

import json
from pathlib import Path

import pytest
from pi_mjpeg_server.config import Configuration, ConfigurationError, load
from pi_mjpeg_server.config.camera_ids import with_ids
from pi_mjpeg_server.make_server import make_cameras, make_server

FRONT = "[[camera]]\nsource = 'v4l2'\ndevice = '/dev/front'\n"
SHED = "[[camera]]\nsource = 'v4l2'\ndevice = '/dev/shed'\n"
POND = "[[camera]]\nsource = 'v4l2'\ndevice = '/dev/pond'\n"
DRAWN = "[[camera]]\nsource = 'emulated'\n"


class Installation:
    """A state folder, and the configuration file of the day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored: dict[str, str] = {}

    def start(self, *tables: str) -> list[tuple[str, str]]:
        """Return id and name of each camera, in the order of the tables."""
        (file := self.folder / "config.toml").write_text("".join(tables))
        configuration, self.stored = with_ids(load(file, {}, {}), self.stored)
        return [(camera.id, camera.name) for camera in configuration.cameras]

    def ids(self, *tables: str) -> list[str]:
        """Return the id of each camera, in the order of the tables."""
        return [identity for identity, _ in self.start(*tables)]


@pytest.fixture
def pi(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_two_tables_that_change_places_keep_ids_and_names(pi: Installation) -> None:
    assert pi.start(FRONT, SHED) == [("camera", "Camera"), ("camera_2", "Camera 2")]
    assert pi.start(SHED, FRONT) == [("camera_2", "Camera 2"), ("camera", "Camera")]


def test_a_table_in_front_of_the_others_takes_no_id_of_theirs(pi: Installation) -> None:
    pi.ids(FRONT, SHED)
    assert pi.ids(POND, FRONT, SHED) == ["camera_3", "camera", "camera_2"]
    assert pi.ids(SHED) == ["camera_2"]
    assert pi.ids(SHED, FRONT, POND) == ["camera_2", "camera", "camera_3"]


def test_a_device_that_replaces_another_gets_its_id(pi: Installation) -> None:
    assert pi.ids("[[camera]]\nfps = 5\n") == ["camera"]
    assert pi.ids(FRONT) == ["camera"]
    assert pi.ids(FRONT, SHED) == ["camera", "camera_2"]
    assert pi.ids(FRONT, POND) == ["camera", "camera_2"]


def test_a_given_id_wins(pi: Installation) -> None:
    assert pi.ids(FRONT, SHED) == ["camera", "camera_2"]
    assert pi.ids(FRONT + "id = 'camera_2'\n", SHED) == ["camera_2", "camera"]
    assert pi.ids(SHED + "id = 'garden'\n", FRONT) == ["garden", "camera_2"]
    assert pi.start(FRONT + "name = 'Door'\n") == [("camera_2", "Door")]


def test_tables_that_nothing_tells_apart_go_by_their_order(pi: Installation) -> None:
    assert pi.ids(DRAWN, DRAWN, DRAWN) == ["camera", "camera_2", "camera_3"]
    assert pi.ids(DRAWN, DRAWN) == ["camera", "camera_2"]


def test_ids_stay_within_their_limit_and_unique(pi: Installation) -> None:
    for number in range(200):
        device = f"[[camera]]\nsource = 'v4l2'\ndevice = '/dev/{number}'\n"
        ids = pi.ids(device, FRONT + f"id = 'camera_{number}'\n", SHED)
        assert len(set(ids)) == 3
    assert len(pi.stored) <= 66


def configuration(folder: Path, *tables: str) -> Configuration:
    (file := folder / "config.toml").write_text("".join(tables))
    return load(file, {}, {"--state-dir": str(folder / "state")})


async def test_a_server_writes_its_first_ids_down_and_every_command_reads_them(tmp_path: Path) -> None:
    make_server(configuration(tmp_path, FRONT, SHED))
    swapped = configuration(tmp_path, SHED, FRONT)
    assert [camera.settings.id for camera in make_cameras(swapped)] == ["camera_2", "camera"]
    assert [camera.settings.id for camera in make_server(swapped).cameras] == ["camera_2", "camera"]


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"v4l2 /dev/front": 1}', b"\xff", b"[" * 100_000])
async def test_a_damaged_file_costs_only_the_order(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").mkdir()
    (file := tmp_path / "state" / "camera_ids.json").write_bytes(damage)
    server = make_server(configuration(tmp_path, FRONT, SHED))
    assert [camera.settings.id for camera in server.cameras] == ["camera", "camera_2"]
    assert "camera_ids.json cannot be read" in caplog.text
    assert json.loads(file.read_text()) == {"v4l2 /dev/front": "camera", "v4l2 /dev/shed": "camera_2"}


def test_only_two_given_ids_can_collide(tmp_path: Path) -> None:
    given = FRONT + "id = 'camera_2'\n"
    cameras = with_ids(configuration(tmp_path, given, SHED), {})[0].cameras
    assert [camera.id for camera in cameras] == ["camera_2", "camera"]
    with pytest.raises(ConfigurationError, match="two cameras have the id 'camera_2'"):
        configuration(tmp_path, given, SHED + "id = 'camera_2'\n")
