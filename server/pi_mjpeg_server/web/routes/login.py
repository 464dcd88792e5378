"""Logging in and out in a browser."""

from aiohttp import web

from pi_mjpeg_server.web.errors import unauthorised
from pi_mjpeg_server.web.routes.request_body import read_form
from pi_mjpeg_server.web.routes.static_files import file_response
from pi_mjpeg_server.web.security.auth import AUTHENTICATOR
from pi_mjpeg_server.web.security.auth_method import AuthMethod
from pi_mjpeg_server.web.security.csrf import refuse_other_origins
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN


async def login_page(request: web.Request) -> web.Response:
    """Answer with the login page."""
    return file_response(request, "login.html")


async def log_in(request: web.Request) -> web.Response:
    """Check the token of the login form, set the session cookie, and redirect to the page. Raises 401."""
    # A page of another site must not log a browser in either.
    refuse_other_origins(request, AuthMethod.NOT_NEEDED)
    fields = await read_form(request)
    authenticator, origin = request.app[AUTHENTICATOR], request[REQUEST_ORIGIN]
    if not authenticator.check_token(origin.client_ip, fields.get("token", "").strip()):
        raise unauthorised("this is not the token", ())
    response = web.Response(status=303, headers={"Location": "./"})
    authenticator.session_cookie.set_on(response, origin)
    return response


async def log_out(request: web.Request) -> web.Response:
    """Delete the session cookie and redirect to the login page."""
    response = web.Response(status=303, headers={"Location": "login"})
    request.app[AUTHENTICATOR].session_cookie.delete_from(response, request[REQUEST_ORIGIN])
    return response
