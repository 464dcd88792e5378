"""The ids of cameras that have none in the configuration. They belong to the device, not to the place in the file."""

from collections.abc import Mapping
from dataclasses import replace

from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.config.settings import Configuration

_MAX_AWAY = 64
"""How many devices that are not in the configuration keep their ids."""


def default_id(number: int) -> str:
    """Return the id of the camera at a place (from 0), as long as no device has another."""
    return "camera" if number == 0 else f"camera_{number + 1}"


def default_name(number: int) -> str:
    """Return the name of the camera at a place (from 0), as long as no device has another."""
    return "Camera" if number == 0 else f"Camera {number + 1}"


def with_ids(configuration: Configuration, stored: Mapping[str, str]) -> tuple[Configuration, dict[str, str]]:
    """Return the configuration with the default ids that the devices had before, and the ids to store.

    `stored` are ids by device, as this function returned them last. A device that is new gets the id of its place if
    that is free, such as that of the device it replaces, and else the next free one. An id that a person has given is
    never used for another camera. The default names go with the ids: "Camera 2" is camera_2.
    """
    cameras = configuration.cameras
    possible = {default_id(place): default_name(place) for place in range(2 * len(cameras) + len(stored))}
    keys = _keys(cameras)
    ids = {number: camera.id for number, camera in enumerate(cameras) if number not in configuration.default_ids}
    known = {number: stored[keys[number]] for number in sorted(configuration.default_ids) if keys[number] in stored}
    for number, identity in known.items():
        if identity not in ids.values():
            ids[number] = identity
    for number in sorted(configuration.default_ids - ids.keys()):
        candidates = (default_id(number), *possible)
        ids[number] = next(candidate for candidate in candidates if candidate not in ids.values())
    nameless = configuration.default_ids & configuration.default_names
    changed = tuple(
        replace(
            camera, id=ids[number], name=possible.get(ids[number], camera.name) if number in nameless else camera.name
        )
        for number, camera in enumerate(cameras)
    )
    mine = {keys[number]: ids[number] for number in configuration.default_ids}
    # A device that is away keeps its id, unless another has it now.
    kept = [(key, identity) for key, identity in stored.items() if identity not in ids.values()]
    return replace(configuration, cameras=changed), dict(kept[-_MAX_AWAY:]) | mine


def _keys(cameras: tuple[CameraSettings, ...]) -> list[str]:
    """Return a text for each camera that tells it from the others: its source and device, numbered if these repeat."""
    keys: list[str] = []
    for camera in cameras:
        key = f"{camera.source} {camera.requested.device or ''}".strip()
        repeated = (f"{key} #{number}" for number in range(2, len(cameras) + 2))
        keys.append(next(each for each in (key, *repeated) if each not in keys))
    return keys
