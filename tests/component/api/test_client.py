"""The client sends the requests of the contract, and refuses answers that break it."""

import asyncio
import json
from contextlib import aclosing

import aiohttp
import pytest
from aiohttp import ClientTimeout, web
from yarl import URL

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.documents import parse_snapshot
from custom_components.pi_mjpeg.api.errors import (
    CannotConnectError,
    InvalidResponseError,
    RefusedError,
    UnauthorisedError,
)
from tests.component.conftest import until
from tests.component.support.fake_pi import CAMERA, Handler, Pi, example, jpeg, part

STREAM = "/cameras/front/stream"
SNAPSHOT = "/cameras/front/snapshot.jpg"


def answer(body: bytes | str = b"", *, status: int = 200, **headers: str) -> Handler:
    """Make a handler that always answers this."""

    async def handler(_: web.Request) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


async def frames_of(client: PiMjpegClient, count: int) -> list[bytes]:
    pictures: list[bytes] = []
    async with aclosing(client.stream(CAMERA)) as frames:
        async for frame in frames:
            pictures.append(frame.jpeg)
            if len(pictures) == count:
                break
    return pictures


async def test_the_state_is_asked_for_by_name(client: PiMjpegClient, pi: Pi) -> None:
    agents: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        agents.append(request.headers["User-Agent"])
        return web.json_response(pi.state)

    pi.answers["/api/state"] = handler
    assert (await client.state()).name == "Garden Pi"
    assert agents[0].startswith("HomeAssistant/20")
    assert agents[0].endswith(" pi_mjpeg")


async def test_a_server_below_a_path_is_asked_below_it(pi: Pi) -> None:
    pi.answers["/behind/proxy/api/state"] = answer(example("api_state.json"))
    async with aiohttp.ClientSession() as session:
        assert (await PiMjpegClient(session, URL(pi.url) / "behind/proxy").state()).name == "Garden Pi"


async def test_a_snapshot_asks_for_nothing_that_was_not_wanted(client: PiMjpegClient, pi: Pi) -> None:
    assert await client.snapshot(CAMERA) == jpeg(7)
    await client.snapshot(CAMERA, width=320, max_age=2000)
    assert pi.requests == [f"GET {SNAPSHOT}", f"GET {SNAPSHOT}?width=320&max_age=2000"]


async def test_taking_a_snapshot_returns_what_the_server_kept(client: PiMjpegClient, pi: Pi) -> None:
    snapshot = await client.take_snapshot(CAMERA)
    assert (snapshot.width, snapshot.bytes) == (1280, 91234)
    assert pi.requests == ["POST /api/cameras/front/snapshots"]


async def test_a_snapshot_that_is_not_described_is_an_error(client: PiMjpegClient, pi: Pi) -> None:
    pi.answers["/api/cameras/front/snapshots"] = answer("{}", status=201)
    with pytest.raises(InvalidResponseError, match="cannot be read"):
        await client.take_snapshot(CAMERA)


async def test_a_kept_snapshot_is_fetched_from_this_server_whatever_host_its_url_names(
    client: PiMjpegClient, pi: Pi
) -> None:
    assert await client.kept.snapshot(parse_snapshot(example("snapshot.json"))) == jpeg(8)
    assert pi.requests == [
        "GET /snapshots/front-20261122T100000000Z-9f3a61c2.jpg?sig=Yk1vY2tfc2lnbmF0dXJlX29mXzI1Nl9iaXRzX18"
    ]


async def test_a_refusal_has_the_code_and_the_message_of_the_server(client: PiMjpegClient) -> None:
    with pytest.raises(RefusedError, match="Shed: /dev/video0 is not there") as caught:
        await client.snapshot("shed")
    assert caught.value.code == "camera_unavailable"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(status=401), UnauthorisedError),
        (answer("<h1>no such page</h1>", status=404), InvalidResponseError),
        (answer("{}", status=500), InvalidResponseError),
        (answer("x" * 100_000, status=500), InvalidResponseError),
        (answer(status=204), InvalidResponseError),
        (answer("<html>"), InvalidResponseError),
        (answer("{}"), InvalidResponseError),
        (answer(json.dumps({**json.loads(example("api_state.json")), "schema": 2})), InvalidResponseError),
        (answer(" " * 300_000), InvalidResponseError),
    ],
)
async def test_a_state_that_cannot_be_believed_is_an_error(
    client: PiMjpegClient, pi: Pi, reply: Handler, error: type[Exception]
) -> None:
    pi.answers["/api/state"] = reply
    with pytest.raises(error):
        await client.state()


async def test_an_endless_answer_is_cut_off(client: PiMjpegClient, pi: Pi) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))

    pi.answers["/api/state"] = endless
    with pytest.raises(InvalidResponseError, match="larger than"):
        await client.state()


async def test_a_redirect_is_not_followed(client: PiMjpegClient, pi: Pi) -> None:
    pi.answers["/api/state"] = answer(status=302, Location="/elsewhere")
    pi.answers["/elsewhere"] = answer(example("api_state.json"))
    with pytest.raises(InvalidResponseError, match="status 302"):
        await client.state()
    assert "GET /elsewhere" not in pi.requests


async def test_a_picture_that_is_no_jpeg_is_refused(client: PiMjpegClient, pi: Pi) -> None:
    pi.answers[SNAPSHOT] = answer("<svg onload=alert(1)>", Content_Type="image/jpeg")
    with pytest.raises(InvalidResponseError, match="does not begin as a JPEG"):
        await client.snapshot(CAMERA)


async def test_a_server_that_is_off_cannot_be_connected_to(client: PiMjpegClient, pi: Pi) -> None:
    await pi.stop()
    with pytest.raises(CannotConnectError, match="cannot be reached"):
        await client.state()


async def test_a_server_that_never_answers_is_given_up(pi: Pi) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    pi.answers[SNAPSHOT] = silent
    async with aiohttp.ClientSession() as session:
        client = PiMjpegClient(session, URL(pi.url), timeouts=ClientTimeout(total=0.1))
        with pytest.raises(CannotConnectError, match="took too long"):
            await client.snapshot(CAMERA)


async def test_a_stream_gives_the_pictures_as_they_come(client: PiMjpegClient, pi: Pi) -> None:
    pi.show(jpeg(1))
    async with aclosing(client.stream(CAMERA)) as frames:
        first = await anext(frames)
        pi.show(jpeg(2))
        second = await anext(frames)
    assert (first.jpeg, first.timestamp, first.drawn) == (jpeg(1), "1.000000", False)
    assert second.jpeg == jpeg(2)
    await until(lambda: pi.watching == 0)


@pytest.mark.parametrize(
    ("headers", "timestamp", "drawn"),
    [
        ("X-Timestamp: 1763805600.123456", "1763805600.123456", False),
        ("X-Picture: drawn", None, True),
        ("X-Timestamp: 1.0\rX-Evil: 1", None, False),
        ("X-Timestamp: now", None, False),
    ],
)
async def test_only_what_the_contract_allows_is_taken_from_a_parts_headers(
    client: PiMjpegClient, pi: Pi, headers: str, timestamp: str | None, *, drawn: bool
) -> None:
    body = f"--frame\r\n{headers}\r\nContent-Length: {len(jpeg(1))}\r\n\r\n".encode() + jpeg(1) + b"\r\n--frame\r\n"
    pi.answers[STREAM] = answer(body, Content_Type="multipart/x-mixed-replace; boundary=frame")
    async with aclosing(client.stream(CAMERA)) as frames:
        frame = await anext(frames)
    assert (frame.timestamp, frame.drawn) == (timestamp, drawn)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (part(jpeg(1)), "image/jpeg"),
        (part(jpeg(1)), "multipart/x-mixed-replace"),
        (b"--frame\r\nContent-Length: 99999999\r\n\r\n", "multipart/x-mixed-replace; boundary=frame"),
        (b"--frame\r\n" + part(b"<svg>"), "multipart/x-mixed-replace; boundary=frame"),
        (bytes(100_000), "multipart/x-mixed-replace; boundary=frame"),
    ],
)
async def test_an_invalid_stream_is_an_error(client: PiMjpegClient, pi: Pi, body: bytes, content_type: str) -> None:
    pi.answers[STREAM] = answer(body, Content_Type=content_type)
    with pytest.raises(InvalidResponseError):
        await frames_of(client, 1)


async def test_a_stream_that_breaks_off_is_an_error(client: PiMjpegClient, pi: Pi) -> None:
    pi.show(jpeg(1))
    async with aclosing(client.stream(CAMERA)) as frames:
        await anext(frames)
        pi.cut()
        with pytest.raises(CannotConnectError):
            async with asyncio.timeout(5):
                await anext(frames)


async def test_a_stream_lasts_longer_than_a_request_may(pi: Pi) -> None:
    pi.show(jpeg(1))
    async with aiohttp.ClientSession(timeout=ClientTimeout(total=0.2)) as session:
        client = PiMjpegClient(session, URL(pi.url), timeouts=ClientTimeout(total=0.2))
        async with aclosing(client.stream(CAMERA)) as frames:
            await anext(frames)
            await asyncio.sleep(0.5)
            pi.show(jpeg(2))
            assert (await anext(frames)).jpeg == jpeg(2)
