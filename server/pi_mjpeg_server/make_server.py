"""Makes the server and its cameras of the configuration and of what was stored before."""

import logging
from collections.abc import Sequence

from pi_mjpeg_server import state_folder
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.config import Configuration
from pi_mjpeg_server.config.camera_ids import with_ids
from pi_mjpeg_server.config.motion import validated_motion
from pi_mjpeg_server.motion.settings import MotionSettingError
from pi_mjpeg_server.motion.watch import MotionWatch
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.sources.auto import CameraMemory, source_factory
from pi_mjpeg_server.storage import camera_ids
from pi_mjpeg_server.storage.atomic_file import remove_unfinished
from pi_mjpeg_server.storage.identity_key import FILE_NAME as IDENTITY_KEY_FILE
from pi_mjpeg_server.storage.identity_key import IdentityKey
from pi_mjpeg_server.storage.settings_store import UnreadableSettingsError
from pi_mjpeg_server.storage.signed_urls import KEY_PURPOSE, UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.system.identity import identify

_LOGGER = logging.getLogger(__name__)


def make_server(configuration: Configuration) -> Server:
    """Return the server. It reads and writes the state folder. Raises `ConfigurationError`."""
    folder = configuration.server.state_dir
    token = state_folder.make_access_token(configuration)
    try:
        # The server has the folder to itself, but for a `pi-mjpeg token --rotate` in the same millisecond.
        remove_unfinished(folder)
        identity = identify(configuration.server.name, folder)
        identity_key = IdentityKey.load(folder / IDENTITY_KEY_FILE)
    except OSError as error:
        raise state_folder.unusable(folder, error) from error
    state_folder.store_camera_ids(configuration)
    needs_token = configuration.auth.mode == "token"
    signer = UrlSigner(lambda: token.key(KEY_PURPOSE))
    cameras = make_cameras(configuration)
    return Server(
        identity,
        cameras,
        SnapshotStore(folder / "snapshots", signer),
        state_folder.control_store(configuration),
        state_folder.settings_store(configuration),
        state_folder.clip_store(configuration, signer),
        token=token if needs_token else None,
        view_tokens=state_folder.view_tokens(configuration, token) if needs_token else None,
        identity_key=identity_key,
        motion=_motion_watches(configuration, cameras),
    )


def make_cameras(configuration: Configuration) -> list[Camera]:
    """Return the configured cameras with the ids and controls that were stored last, and off if they were.

    When it cannot be read which are off, all are, until a person says otherwise.
    """
    ids = camera_ids.load(state_folder.camera_ids_file(configuration))
    stored = state_folder.control_store(configuration).load()
    memory = CameraMemory(configuration.server.state_dir / "camera-found")
    cameras = [
        Camera(settings, source_factory(settings.source, memory), stored.get(settings.id))
        for settings in with_ids(configuration, ids)[0].cameras
    ]
    try:
        enabled = state_folder.settings_store(configuration).load()
    except UnreadableSettingsError as error:
        _LOGGER.error("the privacy settings cannot be read, so every camera is off: %s", error)  # noqa: TRY400
        for camera in cameras:
            camera.disable("the privacy settings cannot be read")
    else:
        for camera in cameras:
            if not enabled.get(camera.settings.id, True):
                camera.disable()
    return cameras


def _motion_watches(configuration: Configuration, cameras: Sequence[Camera]) -> dict[str, MotionWatch]:
    """Return the motion detection of each camera by its id, with the settings that were stored last."""
    stored = state_folder.settings_store(configuration).load_motion()
    watches = {}
    for place, camera in enumerate(cameras):
        overrides = {}
        if camera.settings.id in stored:
            try:
                overrides = validated_motion(stored[camera.settings.id])
            except MotionSettingError as error:
                _LOGGER.warning("%s: the stored motion settings are not used, because %s", camera.settings.name, error)
        watches[camera.settings.id] = MotionWatch(camera, configuration.motion.get(place), overrides)
    return watches
