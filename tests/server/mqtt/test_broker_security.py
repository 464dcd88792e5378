"""The password file of the broker, as people and their editors write it."""

import codecs
from pathlib import Path

import pytest
from pi_mjpeg_server.config import MqttSettings
from pi_mjpeg_server.mqtt.broker_security import password


@pytest.mark.parametrize(
    "content",
    [
        "geheim ü".encode(),
        "geheim ü\n".encode(),
        "geheim ü\r\n".encode(),
        "geheim ü\nand a comment".encode(),
        codecs.BOM_UTF8 + "geheim ü\r\n".encode(),
        "geheim ü\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "geheim ü".encode("utf-16-be"),
    ],
)
def test_the_password_is_the_first_line_in_any_encoding(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "password").write_bytes(content)
    assert password(MqttSettings(password_file=file)) == "geheim ü"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no password"),
        (codecs.BOM_UTF8 + b"\r\n", "no password"),
        (b"x" * 5000, "no password"),
        ("geheim ü".encode("cp1252"), "not UTF-8"),
    ],
)
def test_a_file_without_a_password_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (file := tmp_path / "password").write_bytes(content)
    with pytest.raises(ValueError, match=words) as raised:
        password(MqttSettings(password_file=file))
    assert str(file) in str(raised.value)
    assert "geheim" not in str(raised.value)
    assert "ü" not in str(raised.value)
