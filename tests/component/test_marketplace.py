"""The Marketplace of Home Assistant 2026.11, by its own validators. Runs where there is one: see `conftest`."""

import json
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.marketplace.utils.validate import (  # type: ignore[import-not-found,unused-ignore]  # 2026.10 has none
    INTEGRATION_MANIFEST_VALUES,
    REPOSITORY_MANIFEST_VALUES,
    VALID_DOMAIN,
)
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration

ROOT = Path(__file__).parents[2]


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / name).read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("key", INTEGRATION_MANIFEST_VALUES)
def test_the_manifest_is_taken(key: str) -> None:
    manifest = read("custom_components/pi_mjpeg/manifest.json")
    assert INTEGRATION_MANIFEST_VALUES[key](manifest[key]) == manifest[key]
    assert VALID_DOMAIN.fullmatch(manifest["domain"])


def test_the_repositorys_own_file_is_taken_whole() -> None:
    document = read("hacs.json")
    assert {key: REPOSITORY_MANIFEST_VALUES[key](value) for key, value in document.items()} == document


async def test_home_assistant_itself_would_load_it(hass: HomeAssistant) -> None:
    assert (await async_get_integration(hass, "pi_mjpeg")).version == "0.1.0"
