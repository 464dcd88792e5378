"""Random requests and configurations: no 500, no traceback, no growth. Seeded and bounded."""

import asyncio
import contextlib
import gc
import logging
import os
import re
import resource
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.config import ConfigurationError, load
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.signed_urls import UrlSigner

from tests.server.support.raw_http import open_connection
from tests.server.support.request_strategies import (
    SESSION_PLACEHOLDER,
    SIGNATURE_PLACEHOLDER,
    SNAPSHOT_ID,
    TOKEN,
    requests,
)
from tests.server.support.scripted_camera import Script, camera, grey, serving, until

EXAMPLES = int(os.environ.get("PI_MJPEG_FUZZ_EXAMPLES", "400"))
"""How many requests and how many configurations; benchmarks/README.md says how to run more, and what was seen."""


async def _statuses(url: str, data: bytes) -> list[int]:
    """Send bytes, and return the status of each response until the server is silent for 0.15 s."""
    async with open_connection(url) as (reader, writer):
        writer.write(data)
        received = b""
        try:
            async with asyncio.timeout(0.15):
                while piece := await reader.read(65536):
                    received += piece
                    if b"multipart/x-mixed-replace" in received or received.endswith(b"}"):
                        break
        except (TimeoutError, ConnectionError):
            pass
        writer.transport.abort()
    # aiohttp answers what is not HTTP as HTTP/1.0.
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", received)]


@dataclass(frozen=True)
class Resources:
    """What the process holds: file descriptors, threads, tasks, objects of some packages by type, resident bytes."""

    descriptors: int
    threads: int
    tasks: int
    objects: Counter[str]
    resident: int

    @classmethod
    def now(cls) -> "Resources":
        """Count them now."""
        gc.collect()
        kinds = (type(each) for each in gc.get_objects())
        named = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
        return cls(
            len(list(Path("/proc/self/fd").iterdir())),
            threading.active_count(),
            len(asyncio.all_tasks()),
            Counter(name for name in named if name.startswith(_WATCHED) and name not in _BOUNDED),
            int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(),
        )

    def grown(self, before: "Resources") -> dict[str, int]:
        """Return what has increased since `before`, apart from bytes, and by how much."""
        more = dict(self.objects - before.objects)
        for name in ("descriptors", "threads", "tasks"):
            more[name] = getattr(self, name) - getattr(before, name)
        return {name: count for name, count in more.items() if count > _NOISE}


_WATCHED = ("pi_mjpeg_server.", "aiohttp.", "asyncio.", "_asyncio.", "concurrent.futures.")
_BOUNDED = frozenset({"pi_mjpeg_server.web.security.token_throttle._Failures"})
_NOISE = 3


@contextlib.contextmanager
def unwanted_log_entries() -> Iterator[list[str]]:
    """Collect the log entries that are errors or contain a traceback."""
    wrong: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = self.format(record)
            if record.levelno >= logging.ERROR or "Traceback" in text:
                wrong.append(text)

    collector, root = Collector(), logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    # Pytest's own handlers keep every entry, which would count as growth.
    root.handlers[:] = [collector]
    root.setLevel(logging.INFO)
    try:
        yield wrong
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize("needs_token", [False, True], ids=["no token", "token"])
async def test_no_request_causes_an_internal_error_or_leaves_anything_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    needs_token: bool,  # noqa: FBT001  (a parameter of pytest's)
) -> None:
    drawn: list[bytes] = []

    @seed(4)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def draw(request: bytes) -> None:
        drawn.append(request)

    # Hypothesis also draws constants that it finds in the code under test: with the same seed, each edit of that code
    # would make other requests, and whether every status below is seen would depend on luck. The seed is one that
    # reaches them all.
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    await asyncio.to_thread(draw)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / f"{SNAPSHOT_ID}.jpg").write_bytes(grey(1))
    seen: Counter[int] = Counter()
    settings_ = {"trusted_proxies": ("127.0.0.1",), "cors_origins": ("https://dash.example",)}
    with unwanted_log_entries() as unwanted:
        async with serving(tmp_path, [camera(Script(fps=10))], needs_token=needs_token, **settings_) as served:
            await until(lambda: served.server.cameras[0].broadcast.latest is not None)
            token = AccessToken(tmp_path / "token")
            signer = UrlSigner(lambda: token.key("snapshots"))
            values = {
                SESSION_PLACEHOLDER.encode(): token.key("pi_mjpeg session").hex().encode(),
                SIGNATURE_PLACEHOLDER.encode(): signer.sign(f"/snapshots/{SNAPSHOT_ID}.jpg").encode(),
            }

            async def send(some: list[bytes]) -> Resources:
                for start in range(0, len(some), 20):
                    batch = some[start : start + 20]
                    answers = await asyncio.gather(*(_statuses(served.url, _filled(each, values)) for each in batch))
                    for request, statuses in zip(batch, answers, strict=True):
                        assert not {500, 501, 502, 504} & set(statuses), request
                        seen.update(statuses)
                await until(lambda: not served.server.viewers)
                await until(lambda: served.server.cameras[0].state is CameraState.IDLE)
                await asyncio.sleep(0.5)
                return Resources.now()

            # The first half brings what any server in use has: threads, scaled pictures, records of failures.
            before = await send(drawn[: len(drawn) // 2])
            after = await send(drawn[len(drawn) // 2 :])
    print(  # noqa: T201  (for a run by hand, with -s)
        f"\n{len(drawn)} requests: {sorted(seen.items())}; {(after.resident - before.resident) / 1e6:.1f} MB more"
    )
    assert unwanted == []
    assert after.grown(before) == {}
    assert after.resident - before.resident < 24_000_000
    # The requests got past the first checks and past authentication: 201 is a snapshot that was taken and kept.
    assert {200, 201, 400, 404, 405, *({401} if needs_token else ())} <= set(seen)


def _filled(request: bytes, values: Mapping[bytes, bytes]) -> bytes:
    for placeholder, value in values.items():
        request = request.replace(placeholder, value)
    return request


_SECTIONS = st.sampled_from(["server", "auth", "mqtt", "camera", "servers", ""])
_SETTINGS = st.sampled_from(
    [
        *("name", "host", "port", "public_url", "state_dir", "tls_certificate", "hosts", "trusted_proxies", "mode"),
        *("cors_origins", "tls", "ca_file", "device", "zeroconf"),
        *("max_viewers", "username", "discovery", "discovery_prefix", "id", "source", "size", "fps", "quality"),
        *("rotation", "hflip", "linger", "controls", "prot", "é"),
    ]
)
_TOML = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(lambda value: str(value).replace("e+", "e")),
    st.sampled_from(
        [
            "true",
            "[]",
            "[1280, 720]",
            "[[]]",
            "['*']",
            "['https://a.example', 1]",
            "{}",
            "{ a = { b = 1 } }",
            "1979-05-27T07:32:00Z",
            "''",
            "'x'",
        ]
    ),
    st.text(max_size=20).map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"'),
    st.text(max_size=10),
)


@seed(4)
@settings(max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(_SECTIONS, st.booleans(), st.lists(st.tuples(_SETTINGS, _TOML), max_size=3)), max_size=3),
    st.binary(max_size=20),
)
def test_every_wrong_configuration_is_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    tables: list[tuple[str, bool, list[tuple[str, str]]]],
    junk: bytes,
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    text = ""
    for section, double, pairs in tables:
        text += f"[[{section}]]\n" if double else f"[{section}]\n"
        text += "".join(f"{key} = {value}\n" for key, value in pairs)
    file.write_bytes(text.encode("utf-8", "replace") + (junk if len(junk) > 15 else b""))
    message = None
    try:
        load(file, {}, {})
    except ConfigurationError as error:
        message = str(error)
    # One line for each mistake.
    assert message is None or all(str(file) in line for line in message.strip().splitlines())
