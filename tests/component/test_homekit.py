"""Home Assistant's HomeKit Bridge shows the camera to a controller, which asks for stills as an iPhone does."""

import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from aiohomekit.characteristic_cache import CharacteristicCacheMemory
from aiohomekit.controller.ip.controller import IpController
from aiohomekit.controller.ip.discovery import IpDiscovery
from aiohomekit.controller.ip.pairing import IpPairing
from aiohomekit.exceptions import AuthenticationError
from aiohomekit.model.categories import Categories
from aiohomekit.model.feature_flags import FeatureFlags
from aiohomekit.model.status_flags import StatusFlags
from aiohomekit.zeroconf import HomeKitService
from aiohttp import web
from homeassistant.components.homekit.const import DOMAIN
from homeassistant.core import HomeAssistant
from PIL import Image
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from zeroconf.asyncio import AsyncZeroconf

from tests.component.conftest import FRONT, poll
from tests.component.privacy.conftest import asked, make_private
from tests.component.support.fake_pi import Pi

SNAPSHOT = "/cameras/front/snapshot.jpg"
PAIRING_ATTEMPTS = 5
UNABLE_TO_COMMUNICATE = b'{"status":-70402}'
"""The status of the HomeKit Accessory Protocol for an accessory that does not answer."""


@dataclass
class Controller:
    """A controller that is paired with the bridge, and the number of the camera on it."""

    pairing: IpPairing
    accessory: int

    async def still(self, width: int, height: int) -> tuple[tuple[int, int], bool]:
        """Ask for a still; return its size, and whether it is green. Raises `NoPictureError` if there is none."""
        answer = bytes(await self.pairing.image(self.accessory, width, height))
        if answer == UNABLE_TO_COMMUNICATE:
            raise NoPictureError
        with Image.open(BytesIO(answer)) as image:
            pixel = image.convert("RGB").getpixel((5, 5))
            assert isinstance(pixel, tuple)
            return image.size, pixel[1] > pixel[0] + 50


class NoPictureError(Exception):
    """The bridge has no picture."""


def green(width: int, height: int) -> bytes:
    """Return a green picture."""
    buffer = BytesIO()
    Image.new("RGB", (width, height), "green").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def scaling_pi(pi: Pi) -> Pi:
    """A Pi whose stills are green and have the size that was asked for, as those of the server."""

    async def still(request: web.Request) -> web.Response:
        width, height = (int(request.query.get(name, default)) for name, default in (("width", 1280), ("height", 720)))
        return web.Response(body=green(width, height), content_type="image/jpeg")

    pi.answers[SNAPSHOT] = still
    return pi


def service(port: int) -> HomeKitService:
    """Return what the bridge announces."""
    return HomeKitService(
        name="Bridge",
        id="00:00:00:00:00:00",
        model="Bridge",
        feature_flags=FeatureFlags(0),
        status_flags=StatusFlags.UNPAIRED,
        config_num=1,
        state_num=1,
        category=Categories.BRIDGE,
        protocol_version="1.1",
        type="_hap._tcp.local.",
        address="127.0.0.1",
        addresses=["127.0.0.1"],
        port=port,
    )


async def pair(bridge: IpDiscovery, pin: str) -> IpPairing:
    """Pair a controller with the bridge.

    The two libraries disagree about the proof in one of fifty attempts (5 of 250), whatever the pin.
    """
    for _ in range(PAIRING_ATTEMPTS):
        with contextlib.suppress(AuthenticationError):
            pairing = await (await bridge.async_start_pairing("bridge"))(pin)
            assert isinstance(pairing, IpPairing)
            return pairing
        await bridge.close()  # type: ignore[no-untyped-call]  # it has no types
    raise AssertionError("the bridge refuses the pin")


@pytest.fixture
async def controller(
    hass: HomeAssistant, scaling_pi: Pi, loaded: MockConfigEntry, mock_async_zeroconf: AsyncZeroconf, tmp_path: Path
) -> AsyncIterator[Controller]:
    """A controller that is paired with the bridge. It is told the bridge's address: nothing is announced."""
    hass.config.config_dir = str(tmp_path)
    (tmp_path / ".storage").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    entry = MockConfigEntry(
        domain=DOMAIN,
        data={"name": "Bridge", "port": port, "ip_address": "127.0.0.1"},
        options={"mode": "bridge", "filter": {"include_entities": [FRONT]}},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    bridge = entry.runtime_data.homekit
    (accessory,) = bridge.driver.accessory.accessories
    phone = IpController(CharacteristicCacheMemory(), mock_async_zeroconf)
    pairing = await pair(IpDiscovery(phone, service(port)), bridge.driver.state.pincode.decode())
    yield Controller(pairing, accessory)
    await pairing.close()
    await bridge.async_stop()


@pytest.mark.parametrize("size", [(640, 360), (320, 180)])
async def test_a_still_has_the_size_that_was_asked_for(controller: Controller, size: tuple[int, int]) -> None:
    assert await controller.still(*size) == (size, True)


async def test_a_camera_that_is_off_is_shown_as_off(hass: HomeAssistant, controller: Controller, pi: Pi) -> None:
    await make_private(hass)
    before = asked(pi)
    _, is_live = await controller.still(640, 360)
    assert not is_live
    assert asked(pi) == before
    await make_private(hass, on=False)
    assert await controller.still(640, 360) == ((640, 360), True)


async def test_there_is_no_still_while_the_pi_is_away_and_one_when_it_is_back(
    hass: HomeAssistant, controller: Controller, pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    port = pi.port
    await pi.stop()
    with pytest.raises(NoPictureError):
        await controller.still(640, 360)
    await poll(hass)
    with pytest.raises(NoPictureError):
        await controller.still(640, 360)
    await pi.start(port)
    await poll(hass)
    assert await controller.still(640, 360) == ((640, 360), True)
    # HAP-python logs the reason at the level DEBUG.
    assert [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG] == []
