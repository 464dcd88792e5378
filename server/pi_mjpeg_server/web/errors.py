"""Every refusal in one form: `{"error": {"code", "message"}}` with the right status."""

import json
import logging
import math
from collections.abc import Sequence
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.camera.errors import CameraUnavailableError

_LOGGER = logging.getLogger(__name__)
_RETRY_AFTER = "2"
_ROOM_AFTER = "5"
_Refusal = TypeVar("_Refusal", bound=web.HTTPException)


def bad_request(message: str) -> web.HTTPBadRequest:
    """Return a 400 for a request that asks for what cannot be."""
    return _refusal(web.HTTPBadRequest, "bad_request", message)


def not_found(message: str) -> web.HTTPNotFound:
    """Return a 404."""
    return _refusal(web.HTTPNotFound, "not_found", message)


def unprocessable(code: str, message: str) -> web.HTTPUnprocessableEntity:
    """Return a 422 for a wish that is understood and cannot be fulfilled."""
    return _refusal(web.HTTPUnprocessableEntity, code, message)


def unauthorised(message: str, challenges: Sequence[str]) -> web.HTTPUnauthorized:
    """Return a 401 with the ways to prove who one is."""
    refusal = _refusal(web.HTTPUnauthorized, "unauthorised", message)
    for challenge in challenges:
        refusal.headers.add("WWW-Authenticate", challenge)
    return refusal


def cross_origin(message: str) -> web.HTTPForbidden:
    """Return a 403 for a page of another site that acts in the name of whoever looks at it."""
    return _refusal(web.HTTPForbidden, "cross_origin", message)


def timed_out(message: str) -> web.HTTPRequestTimeout:
    """Return a 408 for a body that does not come."""
    return _refusal(web.HTTPRequestTimeout, "timeout", message)


def too_large(largest: int) -> web.HTTPRequestEntityTooLarge:
    """Return a 413 for a body that is longer than any that means something."""
    message = f"the body is larger than {largest} bytes"
    text = refusal("too_large", message)
    return web.HTTPRequestEntityTooLarge(largest, text=text, content_type="application/json")


def unmeasured() -> web.HTTPLengthRequired:
    """Return a 411 for a body that does not say how long it is: in chunks of a byte it costs far more than it holds."""
    return _refusal(
        web.HTTPLengthRequired, "length_required", "the body needs a Content-Length; it cannot come in chunks"
    )


def unsupported(message: str) -> web.HTTPUnsupportedMediaType:
    """Return a 415 for a body in a form that is not understood."""
    return _refusal(web.HTTPUnsupportedMediaType, "unsupported", message)


def unexpected() -> web.HTTPExpectationFailed:
    """Return a 417 for an Expect header that is not the one there is (RFC 9110, 10.1.1)."""
    return _refusal(web.HTTPExpectationFailed, "unknown_expectation", "Expect can only be 100-continue")


def misdirected(message: str) -> web.HTTPMisdirectedRequest:
    """Return a 421 for a request to a name that is not this server's."""
    return _refusal(web.HTTPMisdirectedRequest, "unknown_host", message)


def too_many_tries(seconds: float) -> web.HTTPTooManyRequests:
    """Return a 429 for an address that gave too many wrong tokens."""
    wait = math.ceil(seconds)
    refusal = _refusal(web.HTTPTooManyRequests, "too_many_tries", f"too many wrong tokens; try again in {wait} s")
    refusal.headers["Retry-After"] = str(wait)
    return refusal


def too_many_viewers(message: str) -> web.HTTPServiceUnavailable:
    """Return a 503 for one viewer more than there is room for."""
    refusal = _refusal(web.HTTPServiceUnavailable, "too_many_viewers", message)
    refusal.headers["Retry-After"] = _ROOM_AFTER
    return refusal


def unavailable(code: str, message: str) -> web.HTTPServiceUnavailable:
    """Return a 503 for what may be had in a moment, and not now."""
    refusal = _refusal(web.HTTPServiceUnavailable, code, message)
    refusal.headers["Retry-After"] = _RETRY_AFTER
    return refusal


def insufficient_storage(message: str) -> web.HTTPInsufficientStorage:
    """Return a 507 for what the disk did not take."""
    return _refusal(web.HTTPInsufficientStorage, "not_kept", message)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every refusal its JSON body; nothing a client sends ends in a traceback."""
    try:
        return await handler(request)
    except CameraUnavailableError as error:
        raise unavailable("camera_unavailable", str(error)) from error
    except web.HTTPException as error:
        if error.status >= web.HTTPBadRequest.status_code and error.content_type != "application/json":
            error.text = refusal(error.reason.lower().replace(" ", "_"), error.reason)
            error.content_type = "application/json"
        raise
    except ConnectionError:
        # The client left before it was answered. aiohttp logs a traceback for what is raised, nothing for this.
        return web.Response()
    except Exception:
        _LOGGER.exception("%s %s failed", request.method, request.path)
        message = "the server made a mistake; its log says which"
        raise _refusal(web.HTTPInternalServerError, "internal", message) from None


def _refusal(kind: type[_Refusal], code: str, message: str) -> _Refusal:
    return kind(text=refusal(code, message), content_type="application/json")


def refusal(code: str, message: str) -> str:
    """Return the JSON that every refusal is."""
    return json.dumps({"error": {"code": code, "message": message}})
