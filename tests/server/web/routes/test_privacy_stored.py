"""Privacy over HTTP is stored before the answer, and what cannot be stored or read is said."""

import asyncio
import json
import time
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.config import Configuration, load
from pi_mjpeg_server.make_server import make_cameras
from pi_mjpeg_server.server import MAX_WAITING_CHANGES
from pi_mjpeg_server.storage import settings_store
from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.settings_store import SettingsNotStoredError

from tests.server.support.api_requests import front, switch
from tests.server.support.scripted_camera import Script, Served, camera, serving


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"true", 400, "bad_request"),
        (b"{}", 400, "bad_request"),
        (b"[" * 9000, 400, "bad_request"),
        (b'{"enabled": null}', 422, "bad_setting"),
        (b'{"enabled": 0}', 422, "bad_setting"),
        (b'{"enabled": "false"}', 422, "bad_setting"),
        (b'{"enabled": [false]}', 422, "bad_setting"),
        (b'{"enable": false}', 422, "bad_setting"),
        (b'{"enabled": false, "motion": {}}', 422, "bad_setting"),
        (b'{"enabled": false, "\\ud800": 1}', 422, "bad_setting"),
        (b"x" * 20_000, 413, "too_large"),
    ],
)
async def test_what_is_no_setting_is_refused_and_changes_nothing(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path, body: bytes, status: int, code: str
) -> None:
    async with client.patch(f"{served.url}/api/cameras/front", data=body) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
    assert served.server.cameras[0].enabled
    assert not (tmp_path / "settings.json").exists()


async def test_it_is_stored_before_the_answer_and_in_force_before_it_is_stored(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def slow(path: Path, data: bytes) -> None:
        seen.append(served.server.cameras[0].enabled)
        time.sleep(0.3)
        write_atomically(path, data)

    monkeypatch.setattr(settings_store, "write_atomically", slow)
    began = time.monotonic()
    await switch(client, served, enabled=False)
    assert time.monotonic() - began > 0.3
    assert seen == [False]
    assert json.loads((tmp_path / "settings.json").read_text())["front"] == {"enabled": False}


async def test_of_many_changes_at_once_the_last_one_is_stored_with_few_writes(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []

    def slow(path: Path, data: bytes) -> None:
        writes.append(data)
        time.sleep(0.1)
        write_atomically(path, data)

    monkeypatch.setattr(settings_store, "write_atomically", slow)
    cam = served.server.cameras[0]
    changes = [asyncio.create_task(served.server.set_enabled(cam, bool(number % 2))) for number in range(101)]
    results = await asyncio.gather(*changes, return_exceptions=True)
    # So many at once come from a program that went wrong. They are in force, but not all are waited for.
    assert {type(result) for result in results[:MAX_WAITING_CHANGES]} == {type(None)}
    assert {type(result) for result in results[MAX_WAITING_CHANGES:]} == {SettingsNotStoredError}
    assert not cam.enabled
    assert json.loads((tmp_path / "settings.json").read_text())["front"] == {"enabled": False}
    assert len(writes) <= 2
    # A file that somebody has removed is written again.
    (tmp_path / "settings.json").unlink()
    await switch(client, served, enabled=False)
    assert json.loads((tmp_path / "settings.json").read_text())["front"] == {"enabled": False}


@pytest.mark.parametrize("enabled", [True, False])
async def test_what_cannot_be_stored_is_in_force_and_said(
    served: Served,
    client: aiohttp.ClientSession,
    tmp_path: Path,
    enabled: bool,  # noqa: FBT001
) -> None:
    await switch(client, served, enabled=not enabled)
    (tmp_path / "settings.json").unlink()
    (tmp_path / "settings.json").mkdir()
    async with client.patch(f"{served.url}/api/cameras/front", json={"enabled": enabled}) as response:
        assert response.status == 507
        error = (await response.json())["error"]
    state, later = ("on", "off") if enabled else ("off", "on")
    assert error["code"] == "insufficient_storage"
    assert f"Front is {state} now" in error["message"]
    assert f"may be {later} again after a restart" in error["message"]
    assert served.server.cameras[0].enabled is enabled
    # It is not taken for stored.
    (tmp_path / "settings.json").rmdir()
    await switch(client, served, enabled=enabled)
    assert json.loads((tmp_path / "settings.json").read_text())["front"] == {"enabled": enabled}


def configuration(folder: Path, *camera_ids: str) -> Configuration:
    cameras = "".join(
        f"[[camera]]\nid = '{each}'\nname = '{each.title()}'\nsource = 'emulated'\n" for each in camera_ids
    )
    (folder / "config.toml").write_text(f"[server]\nstate_dir = '{folder}'\n{cameras}")
    return load(folder / "config.toml", {}, {})


async def test_a_camera_that_comes_back_under_the_same_id_is_still_off(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await switch(client, served, enabled=False)
    store = served.server.settings_store
    await asyncio.to_thread(store.save, {"yard": True})
    cameras = await asyncio.to_thread(make_cameras, configuration(tmp_path, "front", "yard", "new"))
    assert [each.enabled for each in cameras] == [False, True, True]


async def test_settings_that_cannot_be_read_switch_every_camera_off_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "settings.json").write_bytes(b"\0" * 100)
    cameras = await asyncio.to_thread(make_cameras, configuration(tmp_path, "front", "yard"))
    assert [(each.enabled, each.reason) for each in cameras] == [(False, "the privacy settings cannot be read")] * 2
    assert "the privacy settings cannot be read, so every camera is off" in caplog.text


async def test_after_unreadable_settings_only_what_a_person_switches_on_is_on(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    (tmp_path / "settings.json").write_bytes(b"\0" * 100)
    cameras = [camera(Script()), camera(Script(), "shed")]
    for each in cameras:
        each.disable("the privacy settings cannot be read")
    async with serving(tmp_path, cameras) as served:
        await switch(client, served, enabled=True)
        assert (await front(client, served))["enabled"]
    stored = json.loads((tmp_path / "settings.json").read_text())
    assert stored == {"front": {"enabled": True}, "shed": {"enabled": False}}
