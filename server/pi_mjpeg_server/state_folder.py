"""What is kept in the state folder, by the configuration: its files, and what is read from them at the start."""

import contextlib
from pathlib import Path

from pi_mjpeg_server.config import Configuration, ConfigurationError
from pi_mjpeg_server.config.camera_ids import with_ids
from pi_mjpeg_server.storage import camera_ids
from pi_mjpeg_server.storage.access_token import AccessToken, TokenError
from pi_mjpeg_server.storage.clip_folder import default_clip_folder, default_max_bytes
from pi_mjpeg_server.storage.clips import ClipLimits, ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.identity_key import FILE_NAME as IDENTITY_KEY_FILE
from pi_mjpeg_server.storage.safe_open import UnsafeFileError, remove_file
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.view_tokens import FILE_NAME as VIEW_TOKENS_FILE
from pi_mjpeg_server.storage.view_tokens import KEY_PURPOSE as VIEW_KEY_PURPOSE
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.system.identity import new_node_id, node_id


class StateFolderError(ConfigurationError):
    """The state folder cannot be used now: its disk is not mounted yet, read-only or full. It may be later."""


def make_access_token(configuration: Configuration) -> AccessToken:
    """Return the access token; a new one if there is none yet. Raises `ConfigurationError`."""
    try:
        # Before there is a token: a state folder with a token and without an id is that of an older version.
        node_id(configuration.server.state_dir)
        return AccessToken(token_file(configuration))
    except TokenError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise unusable(configuration.server.state_dir, error) from error


def change_id(configuration: Configuration) -> str:
    """Write a new node id and return it; a server that runs keeps its own. Raises `ConfigurationError`."""
    folder = configuration.server.state_dir
    try:
        node = new_node_id(folder)
        # A copied card has a copy of the key, by which one server could pass for the other: the next start makes one.
        with contextlib.suppress(FileNotFoundError):
            remove_file(folder / IDENTITY_KEY_FILE)
    except OSError as error:
        raise unusable(folder, error) from error
    return node


def token_file(configuration: Configuration) -> Path:
    """Return the path of the access token's file."""
    return configuration.server.state_dir / "token"


def view_tokens(configuration: Configuration, token: AccessToken) -> ViewTokens:
    """Return the tokens with which others may look at one camera."""
    return ViewTokens(configuration.server.state_dir / VIEW_TOKENS_FILE, lambda: token.key(VIEW_KEY_PURPOSE))


def camera_ids_file(configuration: Configuration) -> Path:
    """Return the path of the file of the ids that cameras were given."""
    return configuration.server.state_dir / camera_ids.FILE_NAME


def store_camera_ids(configuration: Configuration) -> None:
    """Keep the ids of the configured cameras for the next start."""
    file = camera_ids_file(configuration)
    stored = camera_ids.load(file)
    ids = with_ids(configuration, stored)[1]
    if ids != stored:
        camera_ids.save(file, ids)


def control_store(configuration: Configuration) -> ControlStore:
    """Return where the values of controls are kept."""
    return ControlStore(configuration.server.state_dir / "controls.json")


def settings_store(configuration: Configuration) -> SettingsStore:
    """Return where privacy and the settings of motion detection are kept."""
    return SettingsStore(configuration.server.state_dir / "settings.json")


def clip_store(configuration: Configuration, signer: UrlSigner) -> ClipStore:
    """Return the kept clips, those of earlier processes included."""
    settings = configuration.clips
    folder = settings.folder or default_clip_folder(configuration.server.state_dir)
    limits = ClipLimits(settings.max_bytes or default_max_bytes(folder), settings.max_age, settings.max_count)
    clips = ClipStore(folder, signer, limits)
    clips.load()
    return clips


def unusable(folder: Path, error: OSError) -> ConfigurationError:
    """Return the error that says why the folder cannot be used."""
    """Return the error about a state folder: one that may pass, unless a person has to remove something."""
    # Not the whole text, which has the random name of a temporary file: what is the same each time is logged once.
    message = f"state_dir: cannot keep state in {folder}: {error.strerror or error}"
    if isinstance(error, UnsafeFileError) or any(
        path.exists() and not path.is_dir() for path in (folder, *folder.parents)
    ):
        return ConfigurationError(message)
    return StateFolderError(message)
