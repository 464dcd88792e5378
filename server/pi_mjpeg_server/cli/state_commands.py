"""The commands that show or change what is in the state folder: `token`, `view-token`, `new-id`."""

import argparse
import contextlib
import socket
import sys

from pi_mjpeg_server.cli.configured import state_configuration
from pi_mjpeg_server.cli.outcome import EXIT_USAGE


def token(parsed: argparse.Namespace) -> int:
    """Print the access token, a new one with `--rotate`."""
    from pi_mjpeg_server.state_folder import make_access_token, token_file
    from pi_mjpeg_server.storage.access_token import new_token

    configuration = state_configuration(parsed, "token")
    if parsed.rotate:
        new_token(token_file(configuration))
    print(make_access_token(configuration).value)
    return 0


def view_token(parsed: argparse.Namespace) -> int:
    """Print the URLs that contain a new view token of a camera, or make the old ones void with `--revoke`."""
    from pi_mjpeg_server.documents import view_document
    from pi_mjpeg_server.make_server import make_cameras
    from pi_mjpeg_server.state_folder import make_access_token, view_tokens

    configuration = state_configuration(parsed, f"view-token {parsed.camera}")
    tokens = view_tokens(configuration, make_access_token(configuration))
    if parsed.revoke:
        revoked = tokens.revoke(parsed.camera)
        print("The URLs are void." if revoked else f"There is no view token for {parsed.camera}.")
        return 0
    known = [camera.settings.id for camera in make_cameras(configuration)]
    if parsed.camera not in known:
        print(f"pi-mjpeg: there is no camera {parsed.camera!r}; there is: {', '.join(known)}", file=sys.stderr)
        return EXIT_USAGE
    server = configuration.server
    base = server.public_url or f"{server.scheme}://{socket.gethostname()}:{server.port}"
    document = view_document(parsed.camera, base, tokens.make(parsed.camera))
    print(document["stream_url"], document["snapshot_url"], sep="\n")
    return 0


def new_id(parsed: argparse.Namespace) -> int:
    """Give this server a new id."""
    from pi_mjpeg_server.mqtt.retained_topics_file import FILE_NAME
    from pi_mjpeg_server.state_folder import change_id
    from pi_mjpeg_server.storage.safe_open import remove_file

    configuration = state_configuration(parsed, "new-id")
    print(f"The id is {change_id(configuration)} from the next start on: restart the server.")
    # The retained topics of the old id belong to the other server: this one must not clear them.
    with contextlib.suppress(FileNotFoundError):
        remove_file(configuration.server.state_dir / FILE_NAME)
    return 0
