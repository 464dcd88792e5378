"""The commands that show or change what is in the state folder: `token`, `new-id`."""

import argparse
import contextlib

from pi_mjpeg_server.cli.configured import configuration_of


def token(parsed: argparse.Namespace) -> int:
    """Print the access token, a new one with `--rotate`."""
    from pi_mjpeg_server.server import make_access_token, token_file
    from pi_mjpeg_server.storage.access_token import new_token

    configuration = configuration_of(parsed)
    if parsed.rotate:
        new_token(token_file(configuration))
    print(make_access_token(configuration).value)
    return 0


def new_id(parsed: argparse.Namespace) -> int:
    """Give this server a new id."""
    from pi_mjpeg_server.mqtt.retained_topics_file import FILE_NAME
    from pi_mjpeg_server.server import change_id
    from pi_mjpeg_server.storage.safe_open import remove_file

    configuration = configuration_of(parsed)
    print(f"The id is {change_id(configuration)} from the next start on: restart the server.")
    # What stands at the broker under the old id is the other server's: this one must not clear it.
    with contextlib.suppress(FileNotFoundError):
        remove_file(configuration.server.state_dir / FILE_NAME)
    return 0
