"""How many cameras and controls one server may have in Home Assistant, counted over the life of its entry."""

from collections.abc import Mapping
from dataclasses import replace

from ..const import MAX_CAMERAS, MAX_CONTROLS
from .models import Control, Server


class EntityLimits:
    """Lets the first `MAX_CAMERAS` ids and the first `MAX_CONTROLS` names of each pass, and no other.

    Entities stay in the registry. A server whose documents are each within the limits, but always have other names in
    them, would add a thousand with every poll.
    """

    def __init__(self) -> None:
        self.exceeded = False
        """Whether anything was left out so far."""
        self._names: dict[str, set[str]] = {}
        """The names of each camera's controls that were seen."""

    def within(self, server: Server) -> Server:
        """Return the server without the cameras and controls that are too many."""
        cameras = {}
        for camera_id, camera in server.cameras.items():
            if camera_id not in self._names:
                if len(self._names) == MAX_CAMERAS:
                    self.exceeded = True
                    continue
                self._names[camera_id] = set()
            cameras[camera_id] = replace(camera, controls=self.controls_within(camera_id, camera.controls))
        return replace(server, cameras=cameras)

    def controls_within(self, camera_id: str, controls: Mapping[str, Control]) -> Mapping[str, Control]:
        """Return the controls of a camera without those that are too many."""
        seen = self._names.get(camera_id, set())
        passed = {}
        for name, control in controls.items():
            if name not in seen:
                if len(seen) == MAX_CONTROLS:
                    self.exceeded = True
                    continue
                seen.add(name)
            passed[name] = control
        return passed
