"""What Home Assistant and HACS read without running anything."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

COMPONENT = Path(__file__).parents[2] / "custom_components/pi_mjpeg"
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in COMPONENT.glob("*.py"))


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((COMPONENT / name).read_text(encoding="utf-8"))
    return document


def test_the_manifest_is_in_the_order_that_hassfest_wants() -> None:
    keys = list(read("manifest.json"))
    assert keys == ["domain", "name", *sorted(keys[2:])]


def test_the_minimum_version_is_named_for_the_stores() -> None:
    hacs = json.loads((COMPONENT.parents[1] / "hacs.json").read_text(encoding="utf-8"))
    assert hacs == {"name": read("manifest.json")["name"], "homeassistant": "2026.10.0"}


@pytest.mark.parametrize(
    ("pattern", "section"),
    [
        (r'async_abort\(reason="(\w+)"', ("config", "abort")),
        (r'_FlowError\("(\w+)"', ("config", "error")),
        (r'step_id="(?!init)(\w+)"', ("config", "step")),
        (r'step_id="(init)"', ("options", "step")),
        (r'self._form\("(\w+)"', ("config", "step")),
        (r'^_[A-Z_]+: Final = "([a-z_]+)"$', ("issues",)),
        (r'(?:translation_key=|asking_for\()"(\w+)"', ("exceptions",)),
    ],
)
def test_every_key_in_the_code_has_its_words(pattern: str, section: tuple[str, ...]) -> None:
    words = read("translations/en.json")
    for step in section:
        words = words[step]
    used = set(re.findall(pattern, SOURCE, re.MULTILINE))
    assert used
    assert used <= set(words)


def test_whatever_can_stop_an_update_of_the_address_has_its_words() -> None:
    config = read("translations/en.json")["config"]
    assert set(config["error"]) - {"invalid_url", "no_picture"} <= set(config["abort"])


def test_every_entity_with_a_key_has_a_name_and_an_icon() -> None:
    keys = set(re.findall(r'_attr_translation_key = "(\w+)"', SOURCE))
    words, icons = read("translations/en.json")["entity"], read("icons.json")["entity"]
    assert keys == {key for platform in words.values() for key in platform}
    assert keys == {key for platform in icons.values() for key in platform}


def test_every_field_is_explained() -> None:
    for step in read("translations/en.json")["config"]["step"].values():
        assert set(step.get("data", {})) == set(step.get("data_description", {}))


@pytest.mark.parametrize(("name", "side"), [("icon.png", 256), ("icon@2x.png", 512)])
def test_the_icons_have_the_sizes_that_the_stores_want(name: str, side: int) -> None:
    header = (COMPONENT / "brand" / name).read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert struct.unpack(">II", header[16:24]) == (side, side)
