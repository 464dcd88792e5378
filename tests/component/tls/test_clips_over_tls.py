"""Clips and kept snapshots of a server with a token and an accepted certificate, without MQTT."""

import io
from pathlib import Path
from typing import Any

import av
import pytest
from homeassistant.components.media_source import Unresolvable, async_browse_media, async_resolve_media
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import FRONT, state_of, until
from tests.component.support.fake_clips import make_clip
from tests.component.support.fake_pi import Pi, jpeg
from tests.component.test_media_source import snapshot
from tests.component.tls.conftest import SECRET, Certificate, renew


@pytest.fixture
async def media(hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, tmp_path: Path) -> str:
    """Set the entry up, with the media browser and the server's events. Returns where its front camera is in there."""
    hass.config.config_dir = str(tmp_path)
    hass.config.media_dirs = {"local": str(tmp_path / "media")}
    hass.config.allowlist_external_dirs = {str(tmp_path / "media")}
    pi.has_events = True
    assert await async_setup_component(hass, "media_source", {})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: pi.listening)
    return f"media-source://{DOMAIN}/{entry.entry_id}/front"


async def record(hass: HomeAssistant, **data: object) -> dict[str, Any]:
    """Record a clip of two seconds with the front camera, and return the response for it."""
    data = {"entity_id": FRONT, "before": 1, "after": 1, **data}
    answer: Any = await hass.services.async_call(DOMAIN, "record_clip", data, blocking=True, return_response=True)
    found: dict[str, Any] = answer[FRONT]
    return found


async def test_clips_and_snapshots_are_fetched_with_the_token_from_the_accepted_certificate(
    hass: HomeAssistant,
    pi: Pi,
    media: str,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    answer = await record(hass, filename="front.mp4", link=True)
    assert answer["url"].startswith("https://")
    pi.snapshots = [snapshot("20261122T113000")]
    day = await async_browse_media(hass, f"{media}/2026-11-22")
    picture, clip = day.children or []
    client, phone = await hass_client(), await hass_client_no_auth()
    for kept, thumbnail in ((clip, jpeg(9)), (picture, jpeg(480))):
        assert await (await client.get(str(kept.thumbnail))).read() == thumbnail
    for url, reader in (
        ((await async_resolve_media(hass, answer["media_content_id"], None)).url, client),
        (answer["link"], phone),
    ):
        with av.open(io.BytesIO(await (await reader.get(url)).read()), "r") as film:
            assert len(list(film.decode(video=0))) == 21
    assert set(pi.authorizations) == {f"Bearer {SECRET}"}


async def test_a_clip_that_the_server_recorded_by_itself_is_an_event(hass: HomeAssistant, pi: Pi, media: str) -> None:
    pi.clips = [make_clip(3)]
    # An event stream of the server itself, and no broker.
    assert "mqtt" not in hass.config.components
    pi.tell("clip", **pi.clips[0].document | {"trigger": "motion"})
    await until(lambda: state_of(hass, "event.front_door_clip") != "unknown")
    event = hass.states.get("event.front_door_clip")
    assert event is not None
    assert event.attributes["trigger"] == "motion"
    resolved = await async_resolve_media(hass, event.attributes["media_content_id"], None)
    assert resolved.mime_type == "video/mp4"
    assert state_of(hass, "image.front_door_last_clip") == "2026-11-22T16:00:00+00:00"


async def test_nothing_is_fetched_from_another_certificate(
    hass: HomeAssistant, pi: Pi, media: str, hass_client: ClientSessionGenerator
) -> None:
    answer = await record(hass)
    pi.snapshots = [snapshot("20261122T113000")]
    await renew(pi, Certificate())
    with pytest.raises(HomeAssistantError, match=r"another certificate|is unavailable"):
        await record(hass, link=True)
    for kept in (answer["media_content_id"], f"{media}/2026-11-22/{pi.snapshots[0]['id']}.jpg"):
        with pytest.raises(Unresolvable, match="another certificate"):
            await async_resolve_media(hass, kept, None)
    with pytest.raises(Exception, match="another certificate"):
        await async_browse_media(hass, media)
    client = await hass_client()
    for path in ("clips/{}/{}.jpg", "clips/{}/{}.mp4", "clips/{}/{}.mjpeg", "snapshots/{}/{}/full.jpg"):
        ids = media.split("/")[3], answer["media_content_id"].rsplit("/", 1)[1]
        assert (await client.get(f"/api/{DOMAIN}/{path.format(*ids)}")).status == 502, path
    assert pi.requests == []
    assert pi.authorizations == []
