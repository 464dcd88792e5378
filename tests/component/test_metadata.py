"""What Home Assistant and HACS read without running anything."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from homeassistant.util.yaml import load_yaml_dict

from custom_components.pi_mjpeg.api.schemas import STATES
from custom_components.pi_mjpeg.entity import TRANSLATED_CONTROLS

COMPONENT = Path(__file__).parents[2] / "custom_components/pi_mjpeg"
REPAIRS = (COMPONENT / "flows/repair_flows.py").read_text(encoding="utf-8")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in COMPONENT.rglob("*.py")).replace(REPAIRS, "")


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
        (r'ProbeError\("(\w+)", str', ("config", "error")),
        (r'raise ProbeError\("(\w+)"\)', ("config", "error")),
        (r'step_id="(init)"', ("options", "step")),
        (r'self\._show_(?:step|form)\(\s*"(\w+)"', ("config", "step")),
        (r'^_[A-Z_]+: Final = "([a-z_]+)"$', ("issues",)),
        (r'translation_domain=DOMAIN,\s+translation_key="(\w+)"', ("exceptions",)),
        (r'\b(?:asking_for|refused|failed)\("(\w+)"', ("exceptions",)),
    ],
)
def test_every_translation_key_in_the_code_exists(pattern: str, section: tuple[str, ...]) -> None:
    words = read("translations/en.json")
    for step in section:
        words = words[step]
    used = set(re.findall(pattern, SOURCE, re.MULTILINE))
    assert used
    assert used <= set(words)


def test_every_error_of_a_server_can_be_shown_by_the_repairs() -> None:
    words = read("translations/en.json")
    asked = set(words["config"]["error"]) - {"certificate_changed", "invalid_url", "no_picture"}
    fix_flows = {key: issue["fix_flow"] for key, issue in words["issues"].items() if "fix_flow" in issue}
    assert set(fix_flows) == {"address_unconfirmed", "certificate_untrusted"}
    assert set(fix_flows["address_unconfirmed"]["error"]) == asked | {"untrusted"}
    assert set(fix_flows["certificate_untrusted"]["error"]) == asked | {"certificate_changed"}
    aborts = set(re.findall(r'async_abort\(reason="(\w+)"', REPAIRS)) | {"cannot_connect", "invalid_response"}
    assert aborts == {key for flow in fix_flows.values() for key in flow["abort"]}


def test_an_issue_has_a_description_or_a_flow() -> None:
    for issue in read("translations/en.json")["issues"].values():
        assert ("description" in issue) is not ("fix_flow" in issue)


def test_every_entity_with_a_key_has_a_name_and_an_icon() -> None:
    keys = set(re.findall(r'translation_key="(\w+)",\n +(?:device_class|native|state_class|entity_cat)', SOURCE))
    keys |= set(re.findall(r'_attr_translation_key = "(\w+)"', SOURCE)) | TRANSLATED_CONTROLS
    words, icons = read("translations/en.json")["entity"], read("icons.json")["entity"]
    assert keys == {key for platform in words.values() for key in platform}
    assert keys == {key for platform in icons.values() for key in platform}


def test_every_state_of_a_camera_has_its_word() -> None:
    assert set(read("translations/en.json")["entity"]["sensor"]["state"]["state"]) == set(STATES)


def test_every_action_has_translations_and_an_icon() -> None:
    actions = load_yaml_dict(COMPONENT / "services.yaml")
    words = read("translations/en.json")["services"]
    assert set(actions) == set(words) == set(read("icons.json")["services"])
    for name, action in actions.items():
        assert set(action["fields"]) == set(words[name]["fields"])
        for field in words[name]["fields"].values():
            assert set(field) == {"name", "description"}


def test_no_word_refers_to_others_which_only_core_resolves() -> None:
    assert "[%key:" not in (COMPONENT / "translations/en.json").read_text(encoding="utf-8")


def test_no_sentence_names_a_placeholder_that_the_code_does_not_fill() -> None:
    """A sentence with one that is not filled is shown to nobody, but as its key."""
    named = {"name", "url", "cameras", "picture", "camera", "fingerprint", "reason", "minutes", "path", "other"}
    named |= {"accepted", "controls", "known_url"}
    named |= {"names", "placeholder", "reasons", "count"}
    assert set(re.findall(r"\{(\w+)\}", (COMPONENT / "translations/en.json").read_text(encoding="utf-8"))) == named


def test_the_ledger_has_every_rule_of_the_quality_scale_and_none_to_do() -> None:
    rules = load_yaml_dict(COMPONENT / "quality_scale.yaml")["rules"]
    assert len(rules) == 54
    for rule, status in rules.items():
        assert status == "done" or (status["status"] == "exempt" and status["comment"]), rule


def test_imported_integrations_are_loaded_before_this_one() -> None:
    manifest = read("manifest.json")
    imported = set(re.findall(r"from homeassistant\.components\.(\w+)", SOURCE))
    imported |= set(re.findall(r"from homeassistant\.components import (\w+)", SOURCE))
    # Home Assistant loads the kinds of entities with their platforms, and asks for the other two by itself.
    platforms = {path.stem for path in COMPONENT.glob("*.py")}
    assert imported - platforms == set(manifest["after_dependencies"])
    # Its web server is used by way of `hass.http`.
    assert manifest["dependencies"] == ["http"]


def test_every_field_is_explained() -> None:
    words = read("translations/en.json")
    for step in (*words["config"]["step"].values(), *words["options"]["step"].values()):
        assert set(step.get("data", {})) == set(step.get("data_description", {}))


@pytest.mark.parametrize(("name", "side"), [("icon.png", 256), ("icon@2x.png", 512)])
def test_the_icons_have_the_sizes_that_the_stores_want(name: str, side: int) -> None:
    header = (COMPONENT / "brand" / name).read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert struct.unpack(">II", header[16:24]) == (side, side)
