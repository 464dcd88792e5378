"""What a camera raises."""


class CameraUnavailableError(Exception):
    """The camera cannot give a picture now. The message says why, in words for its owner."""


class CameraOffError(CameraUnavailableError):
    """The camera is switched off. It gives no picture and accepts no command until it is switched on again."""
