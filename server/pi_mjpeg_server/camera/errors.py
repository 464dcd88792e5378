"""What a camera raises."""


class CameraUnavailableError(Exception):
    """The camera cannot give a picture now. The message says why, in words for its owner."""


class CameraBusyError(Exception):
    """The camera was asked too often. The message says how often is allowed; `retry_after` is the seconds to wait."""

    def __init__(self, message: str, retry_after: float) -> None:
        """Store both."""
        super().__init__(message)
        self.retry_after = retry_after


class TooManyWidthsError(Exception):
    """A camera is scaled to as many widths as are possible at once. The message names them."""


class NotFocusedError(Exception):
    """The camera has looked for a focus and found none. The message says so."""


class CameraOffError(CameraUnavailableError):
    """The camera is switched off. It gives no picture and accepts no command until it is switched on again."""
