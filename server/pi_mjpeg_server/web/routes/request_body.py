"""Request bodies, limited in size and time."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import HttpVersion11, web

from pi_mjpeg_server.web.errors import (
    bad_request,
    content_too_large,
    expectation_failed,
    length_required,
    request_timeout,
    unsupported_media_type,
)

MAX_BODY_BYTES = 16 * 1024
"""Bytes. The largest sensible body sets all controls of a camera."""

BODY_TIMEOUT = 10.0
"""Seconds in which the whole body has to arrive."""

_MAX_FORM_FIELDS = 8
_MAX_MEMBERS = 64


async def read_form(request: web.Request) -> Mapping[str, str]:
    """Return the fields of an HTML form. Raises 400, 408, 411, 413 or 415."""
    # Not request.content_type: aiohttp parses that header as e-mail does, and 4 kB of quotes take half a second.
    content_type = request.headers.get("Content-Type", "").partition(";")[0]
    if content_type.strip().lower() != "application/x-www-form-urlencoded":
        raise unsupported_media_type("the body has to be application/x-www-form-urlencoded")
    body = await read_body(request)
    try:
        fields = parse_qsl(body.decode(), max_num_fields=_MAX_FORM_FIELDS)
    except ValueError as error:
        raise bad_request("the body is not a form") from error
    return dict(fields)


async def read_body(request: web.Request) -> bytes:
    """Return the whole body. Raises 400, 408, 411, 413 or 415."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise unsupported_media_type("the body must not be compressed: it may be far larger than what was sent")
    if request.can_read_body and request.content_length is None:
        raise length_required()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()
    except TimeoutError as error:
        raise request_timeout(f"the body did not arrive within {BODY_TIMEOUT:.0f} s") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise content_too_large(MAX_BODY_BYTES) from error
    except (web.PayloadAccessError, web.RequestPayloadError) as error:
        raise bad_request("the body is truncated or badly encoded") from error


async def read_object(request: web.Request, noun: str, example: str, *, may_be_empty: bool = False) -> dict[str, Any]:
    """Return the JSON object in the body. Raises 400 for anything else, and for too many members.

    Also for none, unless it `may_be_empty`; then no body at all is an empty object.
    """
    body = await read_body(request)
    if may_be_empty and not body:
        return {}
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request("the body is not JSON") from error
    if not isinstance(values, dict) or len(values) > _MAX_MEMBERS or not (values or may_be_empty):
        raise bad_request(f"the body has to be a JSON object of {noun}, such as {example}")
    return values


async def expect_continue(request: web.Request) -> None:
    """Answer `Expect: 100-continue`. Raises 417 for anything else; aiohttp's own handler would quote the header."""
    if request.version < HttpVersion11:
        return  # HTTP/1.0 has no Expect.
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise expectation_failed()
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The response proper has not begun.
    request.writer.output_size = 0
