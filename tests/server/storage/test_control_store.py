"""The controls that people have set, and their file."""

from pathlib import Path

import pytest
from pi_mjpeg_server.storage.control_store import ControlStore


def test_controls_are_stored_and_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "state" / "controls.json"
    assert ControlStore(file).load() == {}
    ControlStore(file).save("front", {"brightness": 2, "mode": "night", "flip": True})
    ControlStore(file).save("shed", {"zoom": 1.5})
    assert ControlStore(file).load() == {
        "front": {"brightness": 2, "mode": "night", "flip": True},
        "shed": {"zoom": 1.5},
    }
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"front": 1}', "[" * 100_000, "x" * 1_000_001, "\udcff"])
def test_a_damaged_file_is_reported_and_replaced_by_the_next_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (file := tmp_path / "controls.json").write_text(text, errors="surrogateescape")
    store = ControlStore(file)
    assert store.load() == {}
    assert "controls begin at their defaults" in caplog.text
    assert "object" not in caplog.text, "no words of Python's"
    store.save("front", {"brightness": 2})
    assert store.load() == {"front": {"brightness": 2}}


def test_a_link_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (target := tmp_path / "other.json").write_text('{"front": {"brightness": 9}}')
    (file := tmp_path / "controls.json").symlink_to(target)
    store = ControlStore(file)
    assert store.load() == {}
    assert "symbolic link" in caplog.text
    store.save("front", {"brightness": 2})
    assert target.read_text() == '{"front": {"brightness": 9}}'
    assert store.load() == {"front": {"brightness": 2}}
