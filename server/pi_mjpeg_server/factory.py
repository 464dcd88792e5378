"""Makes the server, its cameras and its access token as the configuration says. Nothing is started here."""

from pathlib import Path

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.config import Configuration, ConfigurationError
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.sources.auto import source_maker
from pi_mjpeg_server.storage.access_token import AccessToken, TokenError
from pi_mjpeg_server.storage.atomic_file import remove_unfinished
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.signed_urls import KEY_PURPOSE, UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.system.identity import identify


def make_server(configuration: Configuration) -> Server:
    """Return the server. It reads and writes the state folder. Raises `ConfigurationError`."""
    folder = configuration.server.state_dir
    token = make_access_token(configuration)
    try:
        # The server has the folder to itself, but for a `pi-mjpeg token --rotate` in the same millisecond.
        remove_unfinished(folder)
        identity = identify(configuration.server.name, folder)
    except OSError as error:
        raise _unusable(folder, error) from error
    snapshots = SnapshotStore(folder / "snapshots", UrlSigner(lambda: token.key(KEY_PURPOSE)))
    return Server(
        identity,
        make_cameras(configuration),
        snapshots,
        _control_store(configuration),
        token=token if configuration.auth.mode == "token" else None,
    )


def make_cameras(configuration: Configuration) -> list[Camera]:
    """Return the configured cameras with the controls that were stored last."""
    stored = _control_store(configuration).load()
    return [
        Camera(settings, source_maker(settings.source), stored.get(settings.id)) for settings in configuration.cameras
    ]


def make_access_token(configuration: Configuration) -> AccessToken:
    """Return the access token; a new one if there is none yet. Raises `ConfigurationError`."""
    try:
        return AccessToken(token_file(configuration))
    except TokenError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise _unusable(configuration.server.state_dir, error) from error


def token_file(configuration: Configuration) -> Path:
    """Return the path of the access token's file."""
    return configuration.server.state_dir / "token"


def _control_store(configuration: Configuration) -> ControlStore:
    return ControlStore(configuration.server.state_dir / "controls.json")


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"state_dir: cannot keep state in {folder}: {error}")
