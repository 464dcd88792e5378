"""Makes a film in H.264, which every browser and phone plays, of a clip's JPEGs."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from ..api import jpeg
from ..api.multipart import MultipartError, MultipartParser, Part
from ..const import MAX_PICTURE_BYTES
from ..pictures import UndecodableError, decode, is_upright

BOUNDARY: Final = "frame"

_CODEC: Final = "libx264"
_MAX_BIT_RATE: Final = "12M"
"""Half a minute of this is 45 MB."""

_OPTIONS: Final = {"preset": "ultrafast", "crf": "23", "maxrate": _MAX_BIT_RATE, "bufsize": _MAX_BIT_RATE}
_THREADS: Final = 2
_TIME_BASE: Final = Fraction(1, 1000)
_CHUNK_BYTES: Final = 256 * 1024
_MAX_RATE: Final = 240


class FilmError(Exception):
    """No film can be made of a clip. The message says why."""


def can_make_films() -> bool:
    """Return whether this Home Assistant has PyAV with an encoder for H.264. Importing it takes a while."""
    try:
        import av  # noqa: PLC0415 - Home Assistant need not have it
    except ImportError:
        return False
    return _CODEC in av.codecs_available


def make_film(clip: Path, film: Path) -> None:
    """Write a film of the multipart file `clip` to `film`, with the times of its pictures. Raises `FilmError`.

    It takes about a fifth of the clip's duration, so it belongs in a thread. `film` is whole or not there.
    """
    import av  # noqa: PLC0415 - likewise

    unfinished = film.with_suffix(".unfinished")
    try:
        with av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as output:
            _encode(output, clip)
        unfinished.replace(film)
    except (av.FFmpegError, OSError, MultipartError, ValueError) as error:
        raise FilmError(str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _encode(output: Any, clip: Path) -> None:  # noqa: ANN401 - PyAV may not be there to name it
    stream = None
    began, before = 0.0, -1
    for timestamp, frame in _frames(clip):
        if stream is None:
            began = timestamp
            stream = output.add_stream(_CODEC, rate=30, options=_OPTIONS)
            # 4:2:0 halves both sides.
            stream.width, stream.height = max(2, frame.width // 2 * 2), max(2, frame.height // 2 * 2)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = _TIME_BASE
            stream.codec_context.thread_count = _THREADS
        shown = frame.reformat(stream.width, stream.height, "yuv420p")
        # Pictures that were taken at the same millisecond still follow each other.
        before = max(before + 1, round((timestamp - began) / _TIME_BASE))
        shown.pts, shown.time_base = before, _TIME_BASE
        output.mux(stream.encode(shown))
    if stream is None:
        raise FilmError("the clip has no picture that can be decoded")
    output.mux(stream.encode(None))


def _frames(clip: Path) -> Iterator[tuple[float, Any]]:
    """Yield the time and the pixels of each picture that can be decoded."""
    import av  # noqa: PLC0415 - likewise

    decoder: Any = av.CodecContext.create("mjpeg", "r")
    for part in _parts(clip):
        try:
            timestamp = float(part.headers.get("x-timestamp", ""))
            jpeg.check(part.body)
            if is_upright(part.body):
                (frame,) = decoder.decode(av.Packet(part.body))
            else:
                frame = _from_image(decode(part.body))
        except jpeg.JpegError, UndecodableError, ValueError, av.FFmpegError:
            continue
        yield timestamp, frame


def _from_image(image: Any) -> Any:  # noqa: ANN401 - likewise
    import av  # noqa: PLC0415 - likewise

    make: Any = av.VideoFrame.from_image
    return make(image)


def _parts(clip: Path) -> Iterator[Part]:
    parser = MultipartParser(BOUNDARY, max_part=MAX_PICTURE_BYTES, max_parts=_MAX_RATE)
    with clip.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield from parser.feed(chunk)
