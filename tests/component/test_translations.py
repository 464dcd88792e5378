"""The translations have what English has: its keys, placeholders, commands and paragraphs."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "custom_components/pi_mjpeg/translations"
LANGUAGES = ("de", "es", "fr", "it", "nl", "pl")

# What has to be the same in all languages: placeholders, code, addresses, and the names of actions and settings.
_FIXED = re.compile(
    r"\{\w+\}|`[^`]*`|https?://[\w.:]+|/media\b|\bcamera\.record\b|\ballowlist_external_dirs\b|\n\n|\*\*"
)


def texts(language: str) -> dict[str, str]:
    def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
        for key, value in node.items():
            if isinstance(value, dict):
                yield from walk(value, f"{path}.{key}")
            else:
                yield f"{path}.{key}", value

    return dict(walk(json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8")), ""))


def test_there_is_a_file_for_each_language() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {"en", *LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_has_the_keys_of_english(language: str) -> None:
    assert list(texts(language)) == list(texts("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_language_is_the_same(language: str) -> None:
    english = texts("en")
    for key, text in texts(language).items():
        expected, found = (Counter(_FIXED.findall(each)) for each in (english[key], text))
        # A name may be said more or less often, but not be left out or made up.
        assert set(found) == set(expected), key
        for sign in ("\n\n", "**"):
            assert found[sign] == expected[sign], key
        assert text == text.strip(), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    english = texts("en")
    same = [key for key, text in texts(language).items() if text == english[key] and " " in text]
    assert same == []
