"""Answers requests for the pictures of our entities while those are not loaded.

Home Assistant answers a request with a former token with 403. While an entry is reloaded it does not know the entity,
answers 401 and counts a failed login, for which it may ban the address. So each of our entities has its URLs to itself,
from the moment in which the component is loaded. Of the routes for a path, the one without a variable counts.

It also answers a size that is no whole number with an error. Cards compute sizes, and ask for "490.5" or "NaN".
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import hdrs, web
from homeassistant.components.camera import CameraImageView, CameraMjpegStream
from homeassistant.components.camera.const import DOMAIN as CAMERA_DOMAIN
from homeassistant.components.image import ImageStreamView, ImageView
from homeassistant.components.image.const import DOMAIN as IMAGE_DOMAIN
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_component import DATA_INSTANCES, EntityComponent
from homeassistant.helpers.http import KEY_AUTHENTICATED, HomeAssistantView
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN

type _View = CameraImageView | CameraMjpegStream | ImageView

_VIEWS: Final[Mapping[str, tuple[type[_View], ...]]] = {
    CAMERA_DOMAIN: (CameraImageView, CameraMjpegStream),
    IMAGE_DOMAIN: (ImageView, ImageStreamView),
}

_SERVED: HassKey[set[str]] = HassKey(f"{DOMAIN}_picture_views")
"""The entity ids that have their URLs. Routes cannot be removed."""


class _PictureView(HomeAssistantView):
    """One of Home Assistant's views for one entity."""

    requires_auth = False

    def __init__(self, hass: HomeAssistant, entity_id: str, view: type[_View]) -> None:
        """Answer as `view` does for the entity."""
        self.url = view.url.format(entity_id=entity_id)
        self.name = f"{view.name}:{entity_id}"
        self._hass = hass
        self._entity_id = entity_id
        self._view = view

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer with the picture, or with 403 if the entity is not loaded and nobody signs in with the request."""
        view = self._for(request)
        return await view.get(
            _with_whole_size(request) if isinstance(view, CameraImageView) else request, self._entity_id
        )

    async def head(self, request: web.Request) -> web.StreamResponse:
        """Answer likewise without the picture."""
        view = self._for(request)
        if not isinstance(view, ImageView):
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_GET])
        return await view.head(request, self._entity_id)

    def _for(self, request: web.Request) -> _View:
        component: EntityComponent[Any] | None = self._hass.data.get(DATA_INSTANCES, {}).get(
            self._entity_id.partition(".")[0]
        )
        signs_in = request[KEY_AUTHENTICATED] or hdrs.AUTHORIZATION in request.headers
        if component is None or (component.get_entity(self._entity_id) is None and not signs_in):
            raise web.HTTPForbidden
        return self._view(component)


def _with_whole_size(request: web.Request) -> web.Request:
    """Return a request for the same picture whose width and height, where it has them, are whole numbers."""
    sizes = {name: _whole(text) for name in ("width", "height") if (text := request.query.get(name))}
    return request.clone(rel_url=request.rel_url.update_query(sizes)) if sizes else request


def _whole(text: str) -> int:
    """Return how many pixels these are, or 0, which stands for any size, if they are no number."""
    try:
        pixels = float(text)
    except ValueError:
        return 0
    return int(pixels) if math.isfinite(pixels) else 0


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Serve the URLs of the entities in the registry, and of those that come."""
    registry = er.async_get(hass)

    @callback
    def is_about_pictures(data: Mapping[str, Any]) -> bool:
        return data["action"] != "remove" and data["entity_id"].partition(".")[0] in _VIEWS

    @callback
    def on_change(event: Event[Any]) -> None:
        entity = registry.async_get(event.data["entity_id"])
        if entity is not None:
            _serve(hass, entity)

    for entity in registry.entities.values():
        _serve(hass, entity)
    hass.bus.async_listen(er.EVENT_ENTITY_REGISTRY_UPDATED, on_change, event_filter=is_about_pictures)


@callback
def _serve(hass: HomeAssistant, entity: er.RegistryEntry) -> None:
    served = hass.data.setdefault(_SERVED, set())
    if entity.platform != DOMAIN or entity.entity_id in served:
        return
    for view in _VIEWS.get(entity.domain, ()):
        hass.http.register_view(_PictureView(hass, entity.entity_id, view))
        served.add(entity.entity_id)
