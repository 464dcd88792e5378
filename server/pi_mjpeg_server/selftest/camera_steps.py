"""The checks of one camera. Each opens it, and returns a finding; a source's errors are raised."""

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from pi_mjpeg_server.camera.supervisor import START_TIMEOUT
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.selftest.report import Finding, absent, failed, passed
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.selftest.usage import Usage
from pi_mjpeg_server.sources import Adjustable, Describable, Source, SourceError, SourceInfo
from pi_mjpeg_server.sources.auto import source_factory
from pi_mjpeg_server.sources.v4l2 import CAMERA_ENCODES

_SETTLING = 1.0
"""Seconds after the first picture that are not measured: the exposure settles in them."""
_MIN_RATE = 0.9
_QUALITIES = (50, 80, 95)
_QUALITY_PICTURES = 5
_QUALITY_FPS = 5.0
"""The Pi's hardware encoder shares 25 Mbit/s at most among them: with more, each quality would look the same."""
_LARGER = 1.05
"""By which factor pictures of the highest quality have to be larger than those of the lowest."""
_OPENS, _STARTS = 3, 4

Opened = tuple[Source, SourceInfo]


@contextlib.contextmanager
def opened(target: Target) -> Iterator[Opened]:
    """Open the camera, and close it at the end. Raises what the source raises."""
    source = source_factory(target.source)(target.settings)
    try:
        yield source, source.open()
    finally:
        source.close()


@contextlib.contextmanager
def capturing(frames: Iterator[Picture | None]) -> Iterator[Iterator[Picture]]:
    """Close `frames` at the end. The value yields the pictures in it, and raises `SourceError` when none comes."""
    try:
        yield _pictures(frames)
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()


def _pictures(frames: Iterator[Picture | None]) -> Iterator[Picture]:
    last = time.monotonic()
    for picture in frames:
        if picture is not None:
            yield picture
            last = time.monotonic()
        elif time.monotonic() - last > START_TIMEOUT:
            raise SourceError(f"no picture within {START_TIMEOUT:.0f} s")
    raise SourceError("the camera stopped giving pictures")


def first_picture(target: Target, _seconds: float) -> Finding:
    """Open the camera, take one picture, and say what it is."""
    began = time.monotonic()
    with opened(target) as (source, info):
        opened_at = time.monotonic()
        with capturing(source.frames()) as pictures:
            next(pictures)
            came_at = time.monotonic()
            details = source.details() if isinstance(source, Describable) else {}
        size = f"{info.size[0]}x{info.size[1]}" if info.size else "unknown size"
        controls = len(source.controls()) if isinstance(source, Adjustable) else 0
    facts = [
        f"{info.model or target.source}, {size} at {info.fps or 0:g} fps",
        f"opened in {opened_at - began:.2f} s, first picture {came_at - opened_at:.2f} s later",
        f"{controls} controls",
        *(f"{name}: {value}" for name, value in details.items()),
        *([info.note] if info.note else []),
    ]
    return passed("; ".join(facts))


def rate(target: Target, seconds: float) -> Finding:
    """Measure the rate of the pictures, their sizes, and what they cost."""
    with opened(target) as (source, info), capturing(source.frames()) as pictures:
        settled = after_settling(pictures)
        times, sizes = [time.monotonic()], [len(settled.jpeg)]
        used, broken = time.process_time(), getattr(source, "broken", 0)
        while times[-1] - times[0] < seconds:
            sizes.append(len(next(pictures).jpeg))
            times.append(time.monotonic())
        used, broken = time.process_time() - used, getattr(source, "broken", 0) - broken
    count, elapsed = len(times) - 1, times[-1] - times[0]
    wanted = min(info.fps or target.settings.fps, target.settings.fps)
    gap = max(later - earlier for earlier, later in pairwise(times))
    text = (
        f"{count / elapsed:.1f} of {wanted:g} fps over {elapsed:.1f} s, longest gap {gap * 1e3:.0f} ms, "
        f"{broken} damaged; {statistics.mean(sizes) / 1e3:.1f} kB per picture ({min(sizes) / 1e3:.1f} to "
        f"{max(sizes) / 1e3:.1f}); {used / count * 1e3:.2f} ms of processor time per picture"
    )
    if count / elapsed < wanted * _MIN_RATE:
        return failed(f"{text}: in the dark a frame takes longer, so light it and try again")
    return passed(text)


def quality(target: Target, _seconds: float) -> Finding:
    """Compare the size of pictures of different quality."""
    sizes = {}
    fps = min(target.settings.fps, _QUALITY_FPS)
    for value in _QUALITIES:
        with opened(Target(target.source, replace(target.settings, quality=value, fps=fps))) as (source, _):
            with capturing(source.frames()) as pictures:
                after_settling(pictures)
                sizes[value] = statistics.mean(len(next(pictures).jpeg) for _ in range(_QUALITY_PICTURES))
                details = source.details() if isinstance(source, Describable) else {}
            if details.get("encoder") == CAMERA_ENCODES or target.source == "files":
                return absent("the pictures are not encoded here")
    text = ", ".join(f"quality {value}: {size / 1e3:.1f} kB" for value, size in sizes.items())
    # Not each step: what the camera sees may change meanwhile.
    has_effect = sizes[_QUALITIES[-1]] > sizes[_QUALITIES[0]] * _LARGER
    if has_effect:
        return passed(text)
    return failed(f"{text}: it has no effect, unless the picture is plain: show it something detailed")


def starts_and_stops(target: Target, _seconds: float) -> Finding:
    """Start and stop the camera often, and compare what this process uses."""
    longest = _start_and_stop(target)
    before = Usage.now()
    longest = max(longest, *(_start_and_stop(target) for _ in range(_OPENS)))
    # A thread that ends may take a moment.
    time.sleep(_SETTLING / 2)
    after = Usage.now()
    text = (
        f"{_OPENS} times opened, each {_STARTS} times started: {after.compared_with(before)}; "
        f"longest start {longest:.2f} s"
    )
    grown = after.grew_since(before)
    return failed(f"{text}: more {', '.join(grown)}") if grown else passed(text)


def _start_and_stop(target: Target) -> float:
    """Open the camera, start it some times, and return the longest time to a picture."""
    longest = 0.0
    with opened(target) as (source, _):
        for _ in range(_STARTS):
            began = time.monotonic()
            with capturing(source.frames()) as pictures:
                next(pictures)
            longest = max(longest, time.monotonic() - began)
    return longest


def after_settling(pictures: Iterator[Picture]) -> Picture:
    """Return the first picture that is measured."""
    until = time.monotonic() + _SETTLING
    while True:
        picture = next(pictures)
        if time.monotonic() >= until:
            return picture
