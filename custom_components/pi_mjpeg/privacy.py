"""Which cameras a person turned off: kept by Home Assistant itself, and carried to the servers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store
from homeassistant.util.hass_dict import HassKey

from .api.client import PiMjpegClient
from .api.errors import CannotConnectError, PiMjpegError
from .api.models import Server
from .const import DOMAIN, LOGGER

STORAGE_KEY: Final = f"{DOMAIN}.privacy"
STORAGE_VERSION: Final = 1
WISHES: Final[HassKey[Wishes]] = HassKey(STORAGE_KEY)

_UNREADABLE: Final = (HomeAssistantError, NotImplementedError, OSError, AttributeError, LookupError, TypeError)


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether a camera is to be on. `heard` once its server has it."""

    enabled: bool
    heard: bool


class Wishes:
    """The wishes for all cameras of all servers. They are in force at once, and in the file when `async_save` returns.

    A state restored by Home Assistant would not do: those are written every 15 minutes, and forgotten after a week.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        self._store: Store[dict[str, Any]] = Store(hass, STORAGE_VERSION, STORAGE_KEY, private=True, atomic_writes=True)
        self._hass = hass
        self._servers: dict[str, dict[str, Wish]] = {}
        self._unknown: Wish | None = None

    async def async_load(self) -> None:
        """Read the file. If it cannot be read, every camera is off until a person says otherwise."""
        exists = await self._hass.async_add_executor_job(Path(self._store.path).exists)
        try:
            data = await self._store.async_load()
            self._servers = _parse(data or {})
            # For a file that is no JSON there is no error: Home Assistant puts it aside.
            reason = "it is no JSON" if data is None and exists else None
        except _UNREADABLE as error:
            reason = str(error)
        if reason is not None:
            self._unknown = Wish(enabled=False, heard=False)
            LOGGER.error("All cameras are off, because %s cannot be read: %s", self._store.path, reason)

    def of(self, server_id: str, camera_id: str) -> Wish | None:
        """Return the wish for a camera. None if nobody turned it on or off yet."""
        return self._servers.get(server_id, {}).get(camera_id, self._unknown)

    def unheard(self, server_id: str) -> dict[str, Wish]:
        """Return the wishes that a server does not have, by camera."""
        return {camera_id: wish for camera_id, wish in self._servers.get(server_id, {}).items() if not wish.heard}

    @callback
    def set(self, server_id: str, camera_id: str, wish: Wish) -> None:
        """Put a wish in force."""
        self._servers.setdefault(server_id, {})[camera_id] = wish

    async def async_save(self) -> None:
        """Write all wishes to the file now."""
        await self._store.async_save(
            {
                server_id: {
                    camera_id: {"enabled": wish.enabled, "heard": wish.heard} for camera_id, wish in cameras.items()
                }
                for server_id, cameras in self._servers.items()
            }
        )

    async def async_forget(self, server_id: str) -> None:
        """Forget a server that was removed. If it is added again, it says itself which of its cameras are off."""
        if self._servers.pop(server_id, None) is not None:
            await self.async_save()


def _parse(data: dict[str, Any]) -> dict[str, dict[str, Wish]]:
    """Return what the file says. Raises `AttributeError`, `LookupError` or `TypeError` for another one."""
    return {
        server_id: {
            camera_id: Wish(enabled=kept["enabled"] is True, heard=kept["heard"] is True)
            for camera_id, kept in cameras.items()
        }
        for server_id, cameras in data.items()
    }


class ServerPrivacy:
    """The privacy of the cameras of one server, which has a switch of its own for each, unless it is an old one.

    A wish that the server has not heard is sent to it whenever it answers. Otherwise, what a person changes at the
    server, or in another Home Assistant, becomes the wish here: the last change that reaches the server counts.
    """

    def __init__(
        self, wishes: Wishes, server_id: str, name: str, client: PiMjpegClient, on_change: Callable[[], None]
    ) -> None:
        """Call `on_change` in the moment in which a camera is turned on or off. The log calls the server `name`."""
        self._wishes = wishes
        self._server_id = server_id
        self._name = name
        self._client = client
        self._on_change = on_change
        self._with_switch: frozenset[str] = frozenset()
        self._touched: dict[str, float] = {}
        self._telling = asyncio.Lock()

    def is_off(self, camera_id: str) -> bool:
        """Return whether a camera is off."""
        wish = self._wishes.of(self._server_id, camera_id)
        return wish is not None and not wish.enabled

    def is_heard(self, camera_id: str) -> bool:
        """Return whether the server itself sees to it that a camera that is off gives no picture."""
        wish = self._wishes.of(self._server_id, camera_id)
        return camera_id in self._with_switch and (wish is None or wish.heard)

    async def async_turn(self, camera_id: str, *, enabled: bool) -> None:
        """Turn a camera on or off: here at once, in the file, and at the server if that can be reached.

        Raises `PiMjpegError` if the server refuses.
        """
        wish = self._wishes.of(self._server_id, camera_id)
        if wish is None or wish.enabled is not enabled or not wish.heard:
            self._set(camera_id, Wish(enabled, heard=False))
            self._on_change()
            await self._wishes.async_save()
        error = (await self.async_tell()).get(camera_id)
        if isinstance(error, CannotConnectError):
            LOGGER.info("%s is told later that %s is %s", self._name, camera_id, "on" if enabled else "off")
        elif error is not None:
            raise error

    async def async_tell(self) -> dict[str, PiMjpegError]:
        """Tell the server each wish that it has not heard, and return why it does not have it, by camera.

        Whoever is about to ask for a picture calls it first.
        """
        failed: dict[str, PiMjpegError] = {}
        if not self._untold():
            return failed
        async with self._telling:
            while untold := self._untold() - failed.keys():
                camera_id = min(untold)
                try:
                    await self._tell(camera_id)
                except CannotConnectError as error:
                    # The next one would have to wait as long.
                    failed |= dict.fromkeys(untold, error)
                except PiMjpegError as error:
                    failed[camera_id] = error
        return failed

    def _untold(self) -> frozenset[str]:
        return self._with_switch & self._wishes.unheard(self._server_id).keys()

    async def _tell(self, camera_id: str) -> None:
        wish = self._wishes.unheard(self._server_id)[camera_id]
        try:
            enabled = await self._client.set_enabled(camera_id, enabled=wish.enabled)
        finally:
            self._touched[camera_id] = monotonic()
        if enabled is not wish.enabled:
            raise PiMjpegError("the server did not do it")
        # A person may have changed it again in the meantime.
        if self._wishes.of(self._server_id, camera_id) == wish:
            self._wishes.set(self._server_id, camera_id, Wish(wish.enabled, heard=True))
            await self._wishes.async_save()

    async def async_compare(self, server: Server, began: float) -> None:
        """Take over what was changed at the server, and tell it what was changed here.

        `began` is when its state was requested, on the monotonic clock. An answer that was on its way while something
        changed says nothing.
        """
        self._with_switch = frozenset(
            camera.id for camera in server.cameras.values() if camera.telemetry.enabled is not None
        )
        changed = False
        for camera_id in self._with_switch:
            if not self._telling.locked() and self._touched.get(camera_id, began - 1) < began:
                changed |= self._compare(camera_id, enabled=server.cameras[camera_id].telemetry.enabled is True)
        if changed:
            await self._wishes.async_save()
        for camera_id, error in (await self.async_tell()).items():
            LOGGER.debug("%s was not told whether %s is on: %s", self._name, camera_id, error)

    def _compare(self, camera_id: str, *, enabled: bool) -> bool:
        wish = self._wishes.of(self._server_id, camera_id)
        if wish is not None and not wish.heard and wish.enabled is not enabled:
            # What was kept only as unknown becomes a wish, to be told.
            self._wishes.set(self._server_id, camera_id, wish)
            return False
        if wish == Wish(enabled, heard=True):
            return False
        self._set(camera_id, Wish(enabled, heard=True))
        return True

    def _set(self, camera_id: str, wish: Wish) -> None:
        self._touched[camera_id] = monotonic()
        self._wishes.set(self._server_id, camera_id, wish)
