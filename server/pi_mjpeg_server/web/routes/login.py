"""The way in for a person: the login page, the cookie it earns, and the way out."""

from aiohttp import web

from pi_mjpeg_server.web.errors import unauthorised
from pi_mjpeg_server.web.routes.request import ORIGIN, form
from pi_mjpeg_server.web.routes.static_files import file
from pi_mjpeg_server.web.security.auth import Authenticator, Credential, refuse_other_origins

AUTHENTICATOR = web.AppKey("lock", Authenticator)


async def login_page(request: web.Request) -> web.Response:
    """Answer the login page."""
    return file(request, "login.html")


async def log_in(request: web.Request) -> web.Response:
    """Take the token from the login form, answer with the cookie, and send the browser to the page."""
    # A stranger's page must not log somebody in either.
    refuse_other_origins(request, Credential.OPEN)
    fields = await form(request)
    peer = request[ORIGIN]
    lock = request.app[AUTHENTICATOR]
    if not lock.check(peer.address, fields.get("token", "").strip()):
        raise unauthorised("this is not the token", ())
    response = web.Response(status=303, headers={"Location": "./"})
    lock.log_in(response, peer)
    return response


async def log_out(request: web.Request) -> web.Response:
    """Take the cookie back and send the browser to the login page."""
    response = web.Response(status=303, headers={"Location": "login"})
    request.app[AUTHENTICATOR].log_out(response, request[ORIGIN])
    return response
