"""The proof that this is the server that a client met before, although its address may be another now."""

import re
import secrets
import time

from aiohttp import web

from pi_mjpeg_server.storage.identity_key import TOKEN_KEY_PURPOSE, proof
from pi_mjpeg_server.web.errors import bad_request, no_identity, too_many_requests
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.security.client_rate_limit import ClientRateLimit
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN, local_address

IDENTITY_LIMIT = web.AppKey("identity_limit", ClientRateLimit)
"""How often a proof may be requested. Wrong tokens are counted apart: neither limit affects the other."""

_NONCE = re.compile(r"[0-9A-Fa-f]{32,128}")
_KEY = re.compile(r"[0-9A-Fa-f]{16}")
_KEY_BYTES = 8
_HEADERS = {"Cache-Control": "no-store"}


async def enrol(request: web.Request) -> web.Response:
    """Answer with a new id and the secret that belongs to it, by which the client will know this server again."""
    key = secrets.token_hex(_KEY_BYTES)
    secret = request.app[SERVER].identity_key.secret_of(key)
    return web.json_response({"key": key, "secret": secret.hex()}, status=201, headers=_HEADERS)


async def prove(request: web.Request) -> web.Response:
    """Answer with the proof that this server knows the secret of `key`, or that of the access token without a `key`.

    The proof is valid for the nonce and for the address at which the request arrived on this machine. By the instance,
    which is in no proof, a client tells a server with two addresses from two servers with one id. Raises 400, 404 when
    there is no token to prove with, and 429.
    """
    wait = request.app[IDENTITY_LIMIT].take(request[REQUEST_ORIGIN].client_ip, time.monotonic())
    if wait:
        raise too_many_requests(wait)
    server = request.app[SERVER]
    nonce, key = _digits(request, "nonce", _NONCE), _digits(request, "key", _KEY)
    if nonce is None:
        raise bad_request("nonce is missing: 32 to 128 random hexadecimal digits")
    if key is not None:
        secret = server.identity_key.secret_of(key)
    elif server.token is not None:
        secret = server.token.key(TOKEN_KEY_PURPOSE)
    else:
        raise no_identity("this server has no access token to prove with; name the key of an enrolment")
    node = server.identity.node
    body = {"id": node, "proof": proof(secret, nonce, node, local_address(request)), "instance": server.instance}
    return web.json_response(body, headers=_HEADERS)


def _digits(request: web.Request, name: str, form: re.Pattern[str]) -> str | None:
    """Return a value of the query, or None if there is none. Raises 400 for two, or for one of another form."""
    values = request.query.getall(name, [])
    if not values:
        return None
    if len(values) > 1 or not form.fullmatch(values[0]):
        raise bad_request(f"{name} has to be hexadecimal digits, once: {form.pattern}")
    return values[0]
