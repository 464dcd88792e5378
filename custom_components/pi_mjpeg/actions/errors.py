"""The errors of actions, which Home Assistant shows in the language of the user."""

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from ..const import DOMAIN


def refused(key: str, **placeholders: str) -> ServiceValidationError:
    """Return the error of a call that asks for something that cannot be, with the text `key` of the translations."""
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)


def failed(key: str, **placeholders: str) -> HomeAssistantError:
    """Return the error of an action that could not be done, with the text `key` of the translations."""
    return HomeAssistantError(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)


def not_written(path: str, error: Exception) -> HomeAssistantError:
    """Return the error of a file that was not written."""
    return failed("not_written", path=path, reason=reason_of(error))


def reason_of(error: Exception) -> str:
    """Return why a file was not read or written, without its name, which may be that of a temporary file."""
    if isinstance(error, ValueError):
        return "this is not the name of a file"
    return (isinstance(error, OSError) and error.strerror) or str(error)
