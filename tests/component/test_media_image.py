"""What an AI task sees of a clip or snapshot that is attached to it. Home Assistant 2026.10 does not ask for it."""

from pathlib import Path

import pytest
from homeassistant.components import media_source
from homeassistant.components.media_source import Unresolvable
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.support.fake_clips import make_clip
from tests.component.support.fake_pi import Pi, jpeg
from tests.component.test_media_source import browser, snapshot

__all__ = ["browser"]


async def test_it_is_the_snapshot_or_the_moment_of_most_change(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, tmp_path: Path
) -> None:
    pi.clips, pi.snapshots = [make_clip(0)], [snapshot("20261122T100000")]
    clip, picture = pi.clips[0].document["id"], f"{pi.snapshots[0]['id']}.jpg"
    day = f"media-source://{DOMAIN}/{browser.entry_id}/front/2026-11-22"
    for kept, content in ((clip, jpeg(9)), (picture, jpeg(8))):
        image = await media_source.async_get_media_image(hass, f"{day}/{kept}")  # type: ignore[attr-defined,unused-ignore]
        assert (image.content, image.mime_type) == (content, "image/jpeg")
    # No film was made for it.
    assert not any(".bin" in request for request in pi.requests)
    for missing in (f"{clip[:-1]}f", f"{clip[:-1]}f.jpg", "x", "x/y"):
        with pytest.raises(Unresolvable):
            await media_source.async_get_media_image(hass, f"{day}/{missing}")  # type: ignore[attr-defined,unused-ignore]
    await pi.stop()
    for kept in (clip, picture):
        with pytest.raises(Unresolvable, match="cannot be reached"):
            await media_source.async_get_media_image(hass, f"{day}/{kept}")  # type: ignore[attr-defined,unused-ignore]
