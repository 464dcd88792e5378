"""What a camera raises."""


class CameraUnavailableError(Exception):
    """The camera cannot give a picture now. The message says why, in words for its owner."""
