"""What a camera raises."""


class CameraUnavailableError(Exception):
    """The camera cannot give a picture now. The message says why, in words for its owner."""


class CameraBusyError(Exception):
    """The camera was asked too often. The message says how often it may be, `retry_after` in how many seconds again."""

    def __init__(self, message: str, retry_after: float) -> None:
        """Store both."""
        super().__init__(message)
        self.retry_after = retry_after


class TooManyWidthsError(Exception):
    """The camera's picture is scaled to as many widths as it can be at once. The message says to which."""


class NotFocusedError(Exception):
    """The camera has looked for a focus and found none. The message says so."""


class CameraOffError(CameraUnavailableError):
    """The camera is switched off. It gives no picture and accepts no command until it is switched on again."""
