"""Recordings by Home Assistant's `stream` integration, which copies the pictures into a file without decoding them."""

import os
from dataclasses import replace
from typing import override

from homeassistant.components.stream import HLS_PROVIDER, Stream
from homeassistant.components.stream.core import StreamOutput
from homeassistant.exceptions import HomeAssistantError

from ..const import DOMAIN


class RecordingStream(Stream):
    """A stream that refuses to be played.

    As HLS it would consist of Motion JPEG, which no browser, television or Chromecast plays: they show a black picture
    and no error.
    """

    camera_name: str

    @override
    def add_provider(self, fmt: str, timeout: int | None = None) -> StreamOutput:
        """Add an output. Raises `HomeAssistantError` for HLS."""
        if fmt == HLS_PROVIDER:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="only_recording",
                translation_placeholders={"camera": self.camera_name},
            )
        return super().add_provider(fmt, timeout)

    @override
    async def async_record(self, video_path: str, duration: int = 30, lookback: int = 5) -> None:
        """Record to a file, also right after a former recording. Raises `HomeAssistantError` if there is no film.

        The worker of the former recording removes all outputs when it ends, which may be later than that recording.
        """
        if not self.outputs():
            await self.stop()
        before = await self.hass.async_add_executor_job(_written, video_path)
        await super().async_record(video_path, duration, lookback)
        if await self.hass.async_add_executor_job(_written, video_path) == before:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="nothing_recorded",
                translation_placeholders={"camera": self.camera_name},
            )


def _written(path: str) -> tuple[int, int] | None:
    """Return what differs once a file was written, or None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - Home Assistant's path is a text
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def only_records(stream: Stream, camera_name: str) -> Stream:
    """Turn a new stream of Home Assistant's into one that refuses to be played, and return it.

    Home Assistant creates streams by a function that takes no class.
    """
    stream.__class__ = RecordingStream
    if isinstance(stream, RecordingStream):
        stream.camera_name = camera_name
    return stream


async def async_stop(stream: Stream) -> None:
    """End a stream of Home Assistant and its recording. What was recorded so far becomes the file."""
    # With this preference set, it would only stop to be shown.
    stream.dynamic_stream_settings = replace(stream.dynamic_stream_settings, preload_stream=False)
    for output in list(stream.outputs().values()):
        await stream.remove_provider(output)
    await stream.stop()
