"""Pictures at intervals, and the film of them."""

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import av
import pytest
from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import parse_yaml
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_fire_time_changed,
)

from tests.component.conftest import FRONT
from tests.component.support.blueprint_automation import ROOT, TIME_LAPSE, automate, stop_automation
from tests.component.support.fake_clips import make_clip
from tests.component.support.fake_pi import Pi, jpeg


@pytest.mark.parametrize(
    ("minutes", "times"),
    [(1, range(60)), (10, range(0, 60, 10)), ("/10", range(0, 60, 10)), ("10", range(0, 60, 10)), (25, (0, 25, 50))],
)
async def test_a_time_lapse_takes_a_picture_every_so_many_minutes(
    hass: HomeAssistant, loaded: MockConfigEntry, freezer: FrozenDateTimeFactory, minutes: object, times: Iterable[int]
) -> None:
    taken: list[ServiceCall] = []
    hass.services.async_remove("pi_mjpeg", "take_snapshot")
    hass.services.async_register("pi_mjpeg", "take_snapshot", taken.append)
    await hass.config.async_set_time_zone("UTC")
    freezer.move_to("2026-11-22 23:59:30+00:00")
    await automate(hass, TIME_LAPSE, {"camera": FRONT, "minutes": minutes})
    for _ in range(60):
        freezer.tick(60)
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    await stop_automation(hass)
    names = [call.data["filename"] for call in taken]
    assert [int(name[-8:-6]) for name in names] == list(times)


async def test_a_time_lapse_is_written_to_the_local_media(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path
) -> None:
    hass.config.media_dirs = {"local": str(tmp_path / "media")}
    hass.config.allowlist_external_dirs = {str(tmp_path / "media")}
    await automate(hass, TIME_LAPSE, {"camera": FRONT, "minutes": 1})
    async_fire_time_changed(hass, dt_util.utcnow().replace(second=0, microsecond=1000) + timedelta(minutes=1))
    await hass.async_block_till_done(wait_background_tasks=True)
    await stop_automation(hass)
    written = await hass.async_add_executor_job(lambda: list((tmp_path / "media/time-lapse").iterdir()))
    assert [file.suffix for file in written] == [".jpg"]
    assert await hass.async_add_executor_job(written[0].read_bytes) == jpeg(7)


async def test_a_film_of_each_day_is_made_as_documented(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path, freezer: FrozenDateTimeFactory
) -> None:
    media = tmp_path / "media"
    hass.config.media_dirs = {"local": str(media)}
    hass.config.allowlist_external_dirs = {str(media)}
    await hass.config.async_set_time_zone("UTC")
    shown = iter(pictures(make_clip(0).body))

    async def still(_: web.Request) -> web.Response:
        return web.Response(body=next(shown), content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = still
    freezer.move_to("2026-11-22 23:56:30+00:00")
    inputs = {"camera": FRONT, "minutes": 1, "folder": "time-lapse/{{ now().date() }}"}
    documented = (ROOT / "docs/home-assistant.md").read_text(encoding="utf-8")
    (daily,) = [block for block in re.findall(r"```yaml\n(.*?)```", documented, re.DOTALL) if "make_film" in block]
    await automate(hass, TIME_LAPSE, inputs, parse_yaml(daily))
    for _ in range(9):
        freezer.tick(60)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)
    await stop_automation(hass)
    days = {day: len(list((media / "time-lapse" / day).iterdir())) for day in ("2026-11-22", "2026-11-23")}
    assert min(days.values()) > 0
    with av.open(str(media / "time-lapse/2026-11-22.mp4"), "r") as opened:
        assert len(list(opened.decode(video=0))) == days["2026-11-22"]


def pictures(clip: bytes) -> list[bytes]:
    """Return the JPEGs of a clip."""
    return re.findall(rb"\r\n\r\n(\xff\xd8.*?\xff\xd9)\r\n--frame", clip, re.DOTALL)
