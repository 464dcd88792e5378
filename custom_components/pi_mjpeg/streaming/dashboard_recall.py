"""Says whether dashboards lost the live picture and need a new URL, which is given to them once."""


class DashboardRecall:
    """Knows the URL that dashboards have, by the token in it, and whether a picture with this URL broke off.

    A browser does not ask again for an image that broke off. It does when the URL of the image changes. Everybody gets
    the new URL, so that one change is enough for all, and a page that was closed in the meantime needs no other.
    """

    def __init__(self) -> None:
        self.is_needed = False
        """Whether a picture with the present URL broke off."""
        self._token = ""

    def url_changed(self, token: str) -> None:
        """Note the token in the new URL, with which all dashboards ask again."""
        self._token = token
        self.is_needed = False

    def dashboard_lost(self, token: str) -> None:
        """Note that a picture broke off whose URL has this token. With a former one, it has been replaced already."""
        if token == self._token:
            self.is_needed = True

    def forget(self) -> None:
        """Expect nobody back."""
        self.is_needed = False
