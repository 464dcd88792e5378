"""Byte ranges of a file (RFC 9110, 14): a download that was interrupted goes on, and a player seeks."""

import asyncio
import os
import re
from typing import BinaryIO

from aiohttp import web

from pi_mjpeg_server.web.errors import range_not_satisfiable
from pi_mjpeg_server.web.routes.request import is_cached

_RANGE = re.compile(r"(?i:bytes)=([0-9]{1,18})?-([0-9]{1,18})?")
"""A unit may be written in any letters (RFC 9110, 14.1)."""
_CHUNK_BYTES = 256 * 1024


async def send_file(request: web.Request, file: BinaryIO, tag: str, headers: dict[str, str]) -> web.StreamResponse:
    """Answer with a file that never changes, whose entity tag is `tag`, or with the range of it that is asked for.

    Several ranges at once, or one of another unit, are answered with the whole file, as RFC 9110 allows. Raises 416.
    """
    response = web.StreamResponse(headers={**headers, "Accept-Ranges": "bytes"})
    response.etag = tag
    if is_cached(request, tag):
        response.set_status(304)
        return response
    size = os.fstat(file.fileno()).st_size
    found = _requested_range(request, tag, size)
    begin, end = found or (0, size)
    if found is not None:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    response.content_length = end - begin
    await response.prepare(request)
    if request.method != "HEAD":
        while begin < end and (
            chunk := await asyncio.to_thread(os.pread, file.fileno(), min(_CHUNK_BYTES, end - begin), begin)
        ):
            await response.write(chunk)
            begin += len(chunk)
    await response.write_eof()
    return response


def _requested_range(request: web.Request, tag: str, size: int) -> tuple[int, int] | None:
    """Return the begin and the end of the range that is asked for, or None for the whole file. Raises 416."""
    if request.method != "GET":
        return None  # RFC 9110, 14.2
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    condition = request.headers.get("If-Range")
    if found is None or (condition is not None and condition.strip() != f'"{tag}"'):
        return None
    first, last = found.groups()
    if first is None and last is None:
        return None
    if first is None:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), size if last is None else min(size, int(last) + 1)
        if last is not None and int(last) < begin:
            return None  # Not a range at all: it is ignored (RFC 9110, 14.1.1).
    if begin >= size or begin >= end:
        raise range_not_satisfiable(size)
    return begin, end
