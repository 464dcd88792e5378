"""Motion detection over real sockets: setting it, what is kept of it, and what the state says."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.config import Configuration, load
from pi_mjpeg_server.make_server import make_server
from pi_mjpeg_server.motion.settings import MotionSettings

from tests.server.support.api_requests import front
from tests.server.support.scripted_camera import Script, Served, until

SETTINGS = {
    "enabled": True,
    "sensitivity": 70,
    "watch": [[0.0, 0.5, 1.0, 0.5]],
    "ignore": [[0.1, 0.6, 0.2, 0.1]],
    "clear_after": 30,
    "fps": 3,
}


async def patch(client: aiohttp.ClientSession, served: Served, body: object) -> tuple[int, Any]:
    async with client.patch(f"{served.url}/api/cameras/front", json=body) as response:
        return response.status, await response.json()


async def test_it_is_off_until_it_is_enabled_and_every_setting_can_be_changed_alone(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    motion = (await front(client, served))["motion"]
    assert (motion["schema"], motion["enabled"], motion["motion"], motion["box"]) == (1, False, False, None)
    for name, value in SETTINGS.items():
        status, answer = await patch(client, served, {"motion": {name: value}})
        assert (status, list(answer), answer["motion"][name]) == (200, ["motion"], value)
    motion = (await front(client, served))["motion"]
    assert {name: motion[name] for name in SETTINGS} == SETTINGS
    await until(lambda: script.capturing == 1)
    assert (await front(client, served))["viewers"] == []
    async with client.get(f"{served.url}/metrics") as response:
        text = await response.text()
    assert 'pi_mjpeg_motion_enabled{camera="front"} 1.0' in text
    assert 'pi_mjpeg_motion{camera="front"} ' in text
    assert 'pi_mjpeg_motion_looks_total{camera="front"} ' in text


async def test_privacy_and_motion_can_be_set_together(served: Served, client: aiohttp.ClientSession) -> None:
    status, answer = await patch(client, served, {"enabled": False, "motion": {"enabled": True}})
    assert (status, answer["enabled"], answer["motion"]["enabled"]) == (200, False, True)
    # It begins as soon as the camera is on again.
    assert await patch(client, served, {"enabled": True}) == (200, {"enabled": True})


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        (None, "has to be an object"),
        ({}, "has to be an object"),
        ([], "has to be an object"),
        (True, "has to be an object"),
        ({"sensitivty": 3}, "did you mean 'sensitivity'?"),
        ({"\ud800": 3}, "there is no motion setting"),
        ({"enabled": 1}, "enabled has to be true or false"),
        ({"enabled": None}, "enabled has to be true or false"),
        ({"sensitivity": 0}, "whole number from 1 to 100"),
        ({"sensitivity": 101}, "whole number from 1 to 100"),
        ({"sensitivity": 50.5}, "whole number from 1 to 100"),
        ({"sensitivity": True}, "whole number from 1 to 100"),
        ({"clear_after": 0.5}, "number from 1 to 3600"),
        ({"clear_after": float("nan")}, "number from 1 to 3600"),
        ({"clear_after": 10**400}, "number from 1 to 3600"),
        ({"fps": float("inf")}, "number from 0.5 to 30"),
        ({"watch": None}, "list of at most 16 regions"),
        ({"watch": [0, 0, 1, 1]}, "list of at most 16 regions"),
        ({"watch": [[0, 0, 1]]}, "list of at most 16 regions"),
        ({"watch": [[0, 0, 1, "1"]]}, "list of at most 16 regions"),
        ({"watch": [[0, 0, 1, float("nan")]]}, "list of at most 16 regions"),
        ({"watch": [[0, 0, 1, True]]}, "list of at most 16 regions"),
        ({"watch": [[-0.1, 0, 1, 1]]}, "list of at most 16 regions"),
        ({"ignore": [[0.5, 0, 0.6, 1]]}, "inside the picture"),
        ({"ignore": [[0.5, 0, 0, 1]]}, "have a width and a height"),
        ({"ignore": [[0.5, 0, 0.00001, 1]]}, "have a width and a height"),
        ({"ignore": [[0, 0, 1, 1]] * 17}, "list of at most 16 regions"),
        ({"enabled": True, "ignore": {}}, "list of at most 16 regions"),
    ],
)
async def test_what_is_no_setting_is_refused_in_words_and_changes_nothing(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path, motion: object, words: str
) -> None:
    status, answer = await patch(client, served, {"enabled": False, "motion": motion})
    assert (status, answer["error"]["code"]) == (422, "bad_setting")
    assert words in answer["error"]["message"]
    assert served.server.motion["front"].settings == MotionSettings()
    assert served.server.cameras[0].enabled
    assert not (tmp_path / "settings.json").exists()


async def test_a_whole_number_may_have_a_point(served: Served, client: aiohttp.ClientSession) -> None:
    status, answer = await patch(client, served, {"motion": {"sensitivity": 70.0}})
    assert (status, answer["motion"]["sensitivity"]) == (200, 70)


async def test_thirds_of_a_picture_fill_it(served: Served, client: aiohttp.ClientSession) -> None:
    third = 1 / 3
    status, answer = await patch(client, served, {"motion": {"watch": [[2 * third, third, third, 2 * third]]}})
    assert (status, answer["motion"]["watch"]) == (200, [[0.6667, 0.3333, 0.3333, 0.6667]])


def configuration(folder: Path, motion: str) -> Configuration:
    text = f"[server]\nstate_dir = '{folder}'\n[[camera]]\nid = 'front'\nsource = 'emulated'\n{motion}\n"
    (folder / "config.toml").write_text(text)
    return load(folder / "config.toml", {}, {})


async def test_what_was_changed_is_kept_and_goes_before_the_file(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await patch(client, served, {"motion": {"sensitivity": 70, "watch": [[0, 0, 0.5, 1]]}})
    written = json.loads((tmp_path / "settings.json").read_text())
    assert written == {"front": {"enabled": True, "motion": {"sensitivity": 70, "watch": [[0.0, 0.0, 0.5, 1.0]]}}}
    given = configuration(tmp_path, "[camera.motion]\nenabled = true\nsensitivity = 20\nclear_after = 5")
    settings = (await asyncio.to_thread(make_server, given)).motion["front"].settings
    watch = ((0.0, 0.0, 0.5, 1.0),)
    assert settings == MotionSettings(enabled=True, sensitivity=70, clear_after=5, watch=watch)


@pytest.mark.parametrize(
    "stored", [None, 3, {}, {"sensitivity": "x"}, {"watch": [[9, 9, 9, 9]]}, {"enabled": True, "of_tomorrow": 1}]
)
async def test_stored_settings_that_are_not_valid_are_not_used_and_privacy_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stored: object
) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"front": {"enabled": False, "motion": stored}}))
    server = await asyncio.to_thread(make_server, configuration(tmp_path, "[camera.motion]\nsensitivity = 20"))
    assert server.motion["front"].settings == MotionSettings(sensitivity=20)
    assert not server.cameras[0].enabled
    assert "the stored motion settings are not used" in caplog.text


async def test_what_cannot_be_stored_is_in_force_and_said(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "settings.json").mkdir()
    status, answer = await patch(client, served, {"motion": {"sensitivity": 70}})
    assert (status, answer["error"]["code"]) == (507, "insufficient_storage")
    assert "Front has these motion settings now" in answer["error"]["message"]
    assert served.server.motion["front"].settings.sensitivity == 70


async def test_motion_settings_do_not_change_privacy_in_the_file(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await patch(client, served, {"enabled": False})
    await patch(client, served, {"motion": {"sensitivity": 70}})
    await patch(client, served, {"enabled": False})
    written = json.loads((tmp_path / "settings.json").read_text())
    assert written == {"front": {"enabled": False, "motion": {"sensitivity": 70}}}
