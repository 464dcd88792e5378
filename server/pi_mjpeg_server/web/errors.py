"""Every error response in one form: `{"error": {"code", "message"}}` with the right HTTP status."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.camera.errors import (
    CameraBusyError,
    CameraOffError,
    CameraUnavailableError,
    NotFocusedError,
    TooManyWidthsError,
)
from pi_mjpeg_server.documents import ERROR_CODES
from pi_mjpeg_server.motion.settings import MotionSettingError
from pi_mjpeg_server.recording.request import ClipRequestError
from pi_mjpeg_server.sources.controls import ControlError
from pi_mjpeg_server.storage.clip import ClipError
from pi_mjpeg_server.storage.settings_store import SettingsNotStoredError
from pi_mjpeg_server.storage.snapshots import SnapshotError

_LOGGER = logging.getLogger(__name__)
_UNAVAILABLE_RETRY_AFTER = "2"
_VIEWERS_RETRY_AFTER = "5"
_HTTPException = TypeVar("_HTTPException", bound=web.HTTPException)

_ERROR_RESPONSES: Mapping[type[Exception], type[web.HTTPException]] = {
    CameraBusyError: web.HTTPServiceUnavailable,
    ClipRequestError: web.HTTPUnprocessableEntity,
    ControlError: web.HTTPUnprocessableEntity,
    MotionSettingError: web.HTTPUnprocessableEntity,
    CameraOffError: web.HTTPConflict,
    CameraUnavailableError: web.HTTPServiceUnavailable,
    NotFocusedError: web.HTTPConflict,
    TooManyWidthsError: web.HTTPServiceUnavailable,
    SettingsNotStoredError: web.HTTPInsufficientStorage,
    SnapshotError: web.HTTPInsufficientStorage,
    ClipError: web.HTTPInsufficientStorage,
}
"""The response to each failure of a command; its code is that of `ERROR_CODES`. The first class that fits counts."""


def bad_request(message: str) -> web.HTTPBadRequest:
    """Return a 400 for a malformed request."""
    return _error(web.HTTPBadRequest, "bad_request", message)


def unauthorised(message: str, challenges: Sequence[str]) -> web.HTTPUnauthorized:
    """Return a 401 with the authentication schemes that the client may use."""
    error = _error(web.HTTPUnauthorized, "unauthorised", message)
    for challenge in challenges:
        error.headers.add("WWW-Authenticate", challenge)
    return error


def cross_origin(message: str) -> web.HTTPForbidden:
    """Return a 403 for a request that a page of another site may have forged."""
    return _error(web.HTTPForbidden, "cross_origin", message)


def not_found(message: str) -> web.HTTPNotFound:
    """Return a 404."""
    return _error(web.HTTPNotFound, "not_found", message)


def no_identity(message: str) -> web.HTTPNotFound:
    """Return a 404 for a proof of identity that this server has no secret for."""
    return _error(web.HTTPNotFound, "no_identity", message)


def request_timeout(message: str) -> web.HTTPRequestTimeout:
    """Return a 408 for a body that does not arrive in time."""
    return _error(web.HTTPRequestTimeout, "timeout", message)


def length_required() -> web.HTTPLengthRequired:
    """Return a 411 for a chunked body: in chunks of one byte, it costs far more to parse than it contains."""
    return _error(
        web.HTTPLengthRequired, "length_required", "the body needs a Content-Length; it cannot come in chunks"
    )


def content_too_large(maximum: int) -> web.HTTPRequestEntityTooLarge:
    """Return a 413 for a body of more than `maximum` bytes."""
    text = error_body("too_large", f"the body is larger than {maximum} bytes")
    return web.HTTPRequestEntityTooLarge(maximum, text=text, content_type="application/json")


def range_not_satisfiable(size: int) -> web.HTTPRequestRangeNotSatisfiable:
    """Return a 416 for a range behind the end of a file of so many bytes."""
    error = _error(web.HTTPRequestRangeNotSatisfiable, "bad_range", f"it has {size} bytes")
    error.headers["Content-Range"] = f"bytes */{size}"
    return error


def unsupported_media_type(message: str) -> web.HTTPUnsupportedMediaType:
    """Return a 415 for a body of another type or encoding."""
    return _error(web.HTTPUnsupportedMediaType, "unsupported", message)


def bad_setting(message: str) -> web.HTTPUnprocessableEntity:
    """Return a 422 for a setting that does not exist or cannot have the value."""
    return _error(web.HTTPUnprocessableEntity, "bad_setting", message)


def expectation_failed() -> web.HTTPExpectationFailed:
    """Return a 417 for an unknown Expect header (RFC 9110, 10.1.1)."""
    return _error(web.HTTPExpectationFailed, "unknown_expectation", "Expect can only be 100-continue")


def misdirected_request(message: str) -> web.HTTPMisdirectedRequest:
    """Return a 421 for a request to a host name that is not this server's (RFC 9110, 15.5.20)."""
    return _error(web.HTTPMisdirectedRequest, "unknown_host", message)


def headers_too_large(message: str) -> web.HTTPRequestHeaderFieldsTooLarge:
    """Return a 431 for a request head beyond a limit (RFC 6585, 5)."""
    return _error(web.HTTPRequestHeaderFieldsTooLarge, "headers_too_large", message)


def too_many_attempts(seconds: float) -> web.HTTPTooManyRequests:
    """Return a 429 for a client that gave too many wrong tokens and has to wait for `seconds`.

    It closes the connection, so that each further guess costs a new one.
    """
    error = _too_many("too_many_tries", "too many wrong tokens", seconds)
    error.force_close()
    return error


def too_many_requests(seconds: float) -> web.HTTPTooManyRequests:
    """Return a 429 for a request beyond a rate limit, which may be repeated after `seconds`."""
    return _too_many("too_many_requests", "too many requests", seconds)


def _too_many(code: str, message: str, seconds: float) -> web.HTTPTooManyRequests:
    wait = max(1, math.ceil(seconds))
    error = _error(web.HTTPTooManyRequests, code, f"{message}; try again in {wait} s")
    error.headers["Retry-After"] = str(wait)
    return error


def too_many_viewers(message: str) -> web.HTTPServiceUnavailable:
    """Return a 503 for a viewer beyond a limit."""
    return unavailable("too_many_viewers", message, _VIEWERS_RETRY_AFTER)


def too_many_event_streams(message: str) -> web.HTTPServiceUnavailable:
    """Return a 503 for a client of the events beyond a limit."""
    return unavailable("too_many_event_streams", message, _VIEWERS_RETRY_AFTER)


def unavailable(code: str, message: str, retry_after: str = _UNAVAILABLE_RETRY_AFTER) -> web.HTTPServiceUnavailable:
    """Return a 503 for something that may be available again after `retry_after` seconds."""
    error = _error(web.HTTPServiceUnavailable, code, message)
    error.headers["Retry-After"] = retry_after
    return error


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error response its JSON body. An unexpected exception is logged and answered with 500."""
    try:
        return await handler(request)
    except tuple(_ERROR_RESPONSES) as error:
        raise _failure(error) from error
    except web.HTTPException as error:
        if error.status >= web.HTTPBadRequest.status_code and error.content_type != "application/json":
            error.text = error_body(error.reason.lower().replace(" ", "_"), error.reason)
            error.content_type = "application/json"
        raise
    except ConnectionError:
        # The client left before its response. aiohttp would log a traceback for the exception; a response logs nothing.
        return web.Response()
    except Exception:
        _LOGGER.exception("%s %s failed", request.method, request.path)
        message = "the server made a mistake; its log says which"
        raise _error(web.HTTPInternalServerError, "internal", message) from None


def _failure(failure: Exception) -> web.HTTPException:
    kind = next(kind for kind in _ERROR_RESPONSES if isinstance(failure, kind))
    error = _error(_ERROR_RESPONSES[kind], ERROR_CODES[kind], str(failure))
    if isinstance(error, web.HTTPServiceUnavailable):
        error.headers["Retry-After"] = _UNAVAILABLE_RETRY_AFTER
    if isinstance(failure, CameraBusyError):
        error.headers["Retry-After"] = str(math.ceil(failure.retry_after))
    return error


def _error(kind: type[_HTTPException], code: str, message: str) -> _HTTPException:
    return kind(text=error_body(code, message), content_type="application/json")


def error_body(code: str, message: str) -> str:
    """Return the JSON body of an error response."""
    return json.dumps({"error": {"code": code, "message": message}})
