"""Has several cameras do what an action says, and tells what went wrong with which."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from homeassistant.core import Context, ServiceCall, ServiceResponse
from homeassistant.exceptions import HomeAssistantError

from .errors import failed


class Camera(Protocol):
    """What every action needs of a camera's entity."""

    @property
    def available(self) -> bool:
        """Whether it gives pictures, or is off."""

    def async_set_context(self, context: Context) -> None:
        """Note who caused what changes next."""


async def async_with_each[T: Camera](
    call: ServiceCall,
    entity_ids: list[str],
    find: Callable[[str], T | None],
    act: Callable[[T, str], Awaitable[ServiceResponse]],
) -> ServiceResponse:
    """Have each camera act at the same time, and return the results by entity id if the call wants a response.

    `find` returns the entity with an id, or None if it is not loaded. Every camera that can acts, also if another one
    cannot. Raises `HomeAssistantError` if any could not.
    """

    async def ask(entity_id: str) -> ServiceResponse:
        camera = find(entity_id)
        if camera is None or not camera.available:
            raise failed("camera_unavailable", camera=entity_id)
        camera.async_set_context(call.context)
        return await act(camera, entity_id)

    results = await asyncio.gather(*map(ask, entity_ids), return_exceptions=True)
    _raise_for_failures([result for result in results if isinstance(result, BaseException)])
    answered: dict[str, Any] = dict(zip(entity_ids, results, strict=True))
    return answered if call.return_response else None


def _raise_for_failures(errors: list[BaseException]) -> None:
    """Raise what went wrong with some cameras, if anything did."""
    for error in errors:
        if len(errors) == 1 or not isinstance(error, HomeAssistantError):
            raise error
    if errors:
        raise failed("several_failed", reasons="; ".join(str(error) for error in errors))
