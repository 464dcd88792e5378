"""Makes films in H.264, which every browser and phone plays, of JPEGs: those of a clip, or of a folder."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
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

# A JPEG has luma from 0 to 255 by BT.601 (JFIF 1.02, page 3). Players take 16 to 235 for granted, and BT.709 in a large
# picture, unless the film says otherwise: so the range is converted and the rest is said (ITU-T H.273, tables 2 to 4).
_LIMITED_RANGE: Final = 1
_BT601: Final = 6
_BT709: Final = 1
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
    _write(film, _clip_pictures(clip))


def make_film_of_files(pictures: Sequence[Path], film: Path, rate: float) -> int:
    """Write a film of JPEG files to `film`, `rate` a second, and return how many it has. Raises `FilmError`.

    What cannot be decoded is left out, and all get the size of the first. It belongs in a thread, likewise.
    """
    return _write(film, ((number / rate, picture) for number, picture in enumerate(_file_pictures(pictures))))


def _write(film: Path, pictures: Iterable[tuple[float, Any]]) -> int:
    import av  # noqa: PLC0415 - likewise

    unfinished = film.with_suffix(".unfinished")
    try:
        with av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as output:
            count = _encode(output, pictures)
        unfinished.replace(film)
    except (av.FFmpegError, OSError, MultipartError, ValueError) as error:
        # The whole error would name the unfinished film.
        raise FilmError(getattr(error, "strerror", None) or str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def _encode(output: Any, pictures: Iterable[tuple[float, Any]]) -> int:  # noqa: ANN401 - PyAV may not be there to name it
    """Encode pictures with their times, in seconds, and return how many there are."""
    stream = None
    began, before, count = 0.0, -1, 0
    for timestamp, frame in pictures:
        if stream is None:
            began = timestamp
            stream = output.add_stream(_CODEC, rate=30, options=_OPTIONS)
            # 4:2:0 halves both sides.
            stream.width, stream.height = max(2, frame.width // 2 * 2), max(2, frame.height // 2 * 2)
            stream.pix_fmt = "yuv420p"
            _describe_colours(stream.codec_context)
            stream.codec_context.time_base = _TIME_BASE
            stream.codec_context.thread_count = _THREADS
        shown = frame.reformat(
            stream.width, stream.height, "yuv420p", dst_colorspace="ITU601", dst_color_range=_LIMITED_RANGE
        )
        # Pictures that were taken at the same millisecond still follow each other.
        before = max(before + 1, round((timestamp - began) / _TIME_BASE))
        shown.pts, shown.time_base = before, _TIME_BASE
        output.mux(stream.encode(shown))
        count += 1
    if stream is None:
        raise FilmError("there is no picture that can be decoded")
    output.mux(stream.encode(None))
    return count


def _describe_colours(context: Any) -> None:  # noqa: ANN401 - likewise
    """Note how the colours of a film are to be read. The primaries and the transfer are nearly those of sRGB."""
    context.color_range, context.colorspace = _LIMITED_RANGE, _BT601
    context.color_primaries = context.color_trc = _BT709


def _clip_pictures(clip: Path) -> Iterator[tuple[float, Any]]:
    """Yield the time and the pixels of each picture of a clip that can be decoded."""
    decoder = _Decoder()
    for part in _parts(clip):
        with suppress(ValueError):
            timestamp = float(part.headers.get("x-timestamp", ""))
            if (frame := decoder.decode(part.body)) is not None:
                yield timestamp, frame


def _file_pictures(pictures: Sequence[Path]) -> Iterator[Any]:
    """Yield the pixels of each file that can be read and decoded."""
    decoder = _Decoder()
    for path in pictures:
        with suppress(OSError):
            # A pipe would never end, and no other film is made meanwhile.
            if not path.is_file() or path.stat().st_size > MAX_PICTURE_BYTES:
                continue
            if (frame := decoder.decode(path.read_bytes())) is not None:
                yield frame


class _Decoder:
    def __init__(self) -> None:
        import av  # noqa: PLC0415 - likewise

        self._decoder: Any = av.CodecContext.create("mjpeg", "r")

    def decode(self, picture: bytes) -> Any:  # noqa: ANN401 - likewise
        """Return the upright pixels of a JPEG, or None if it cannot be decoded."""
        import av  # noqa: PLC0415 - likewise

        try:
            jpeg.check(picture)
            if is_upright(picture):
                (frame,) = self._decoder.decode(av.Packet(picture))
                return frame
            return _from_image(decode(picture))
        except jpeg.JpegError, UndecodableError, ValueError, av.FFmpegError:
            return None


def _from_image(image: Any) -> Any:  # noqa: ANN401 - likewise
    import av  # noqa: PLC0415 - likewise

    make: Any = av.VideoFrame.from_image
    return make(image)


def _parts(clip: Path) -> Iterator[Part]:
    parser = MultipartParser(BOUNDARY, max_part=MAX_PICTURE_BYTES, max_parts=_MAX_RATE)
    with clip.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield from parser.feed(chunk)
