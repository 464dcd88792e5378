"""The event of a new clip, for automations, whoever or whatever asked for it."""

from typing import override

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Clip
from .clips.paths import media_content_id
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_for_cameras

PARALLEL_UPDATES = 0

RECORDED = "recorded"


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an event for each of the server's cameras."""
    async_add_for_cameras(entry, async_add_entities, ClipEvent)


class ClipEvent(PiMjpegCameraEntity, EventEntity):
    """Fires when the server keeps another last clip. What it kept at the start is no event."""

    _attr_translation_key = "clip"
    _attr_event_types = [RECORDED]  # noqa: RUF012 - Home Assistant's type
    # A clip is kept also while its camera fails.
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "clip")
        self._seen = self._clip_id

    @property
    def _clip(self) -> Clip | None:
        return self.camera_state.clip if self.camera_state else None

    @property
    def _clip_id(self) -> str:
        return self._clip.id if self._clip else ""

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        clip = self._clip
        # An older one is the last after the newest was deleted.
        if clip is not None and clip.id > self._seen and self.coordinator.may_show(self._camera_id):
            self._seen = clip.id
            self._trigger_event(
                RECORDED,
                {
                    "media_content_id": media_content_id(self.coordinator.config_entry.entry_id, clip),
                    "trigger": clip.trigger,
                    "before": clip.before,
                    "after": clip.after,
                    "duration": clip.duration,
                },
            )
        super()._handle_coordinator_update()
