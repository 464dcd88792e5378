"""The Pi's hardware encoder through Picamera2, whatever its driver does.

Picamera2's own `MJPEGEncoder` trusts the driver: an error in its thread ends it unnoticed, one in the camera's thread
freezes the camera for good, a stop waits for ever, and a start that fails leaves a thread and the device behind.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.media.jpeg import JpegError
from pi_mjpeg_server.media.jpeg_parser import JpegParser
from pi_mjpeg_server.sources.interrupted import repeated

if TYPE_CHECKING:
    from collections.abc import Callable

    from pi_mjpeg_server.sources.picamera2_library import Library

PICTURE_TIMEOUT = 2.0
"""Seconds that the encoder may take for a picture; it needs about 20 ms."""
CALL_TIMEOUT = 3.0
"""Seconds that the driver may take to start, and to stop, which is less than a camera may take."""
FAULTY_STOP_TIMEOUT = 1.0
"""Seconds to stop after a fault: with `PICTURE_TIMEOUT`, less than the time after which a camera counts as failing."""


class _NoneLeft:
    """Stands for a picture that was given back already."""

    def release(self) -> None:
        """Do nothing."""


_NONE_LEFT = _NoneLeft()


def make_hardware_encoder(library: Library, bitrate: int, fps: float) -> Any:  # noqa: ANN401, C901  (a class of short methods)
    """Return an encoder of so many bits for `fps` pictures, which never blocks or ends Picamera2's threads."""

    class HardwareEncoder(library.MJPEGEncoder):  # type: ignore[misc,name-defined]  # its base is known at run time only
        def __init__(self) -> None:
            self.bufs: dict[int, Any]
            super().__init__(bitrate=bitrate)
            # Otherwise the driver shares the bits among 30 pictures a second, however many come.
            self.framerate = fps
            self._enable_framerate = True
            self.broken = 0
            self._parser = JpegParser()
            self.last_damage: str | None = None
            self._failure: str | None = None
            self._waiting_since: float | None = None
            self._last_sent = math.inf

        @property
        def fault(self) -> str | None:
            """Why no more pictures are to be expected, or None."""
            if self._failure is not None:
                return self._failure
            late = time.monotonic() - PICTURE_TIMEOUT
            if self._waiting_since is not None and self._waiting_since <= late:
                damaged = f", only damaged ones: {self.last_damage}" if self.last_damage else ""
                return f"it gives no pictures{damaged}"
            # Once it holds all buffers of the camera, no more pictures can be sent to it.
            held = getattr(self, "buf_frame", None)
            stalled = held is not None and held.qsize() and self._last_sent <= late
            return "it gives no pictures back" if stalled else None

        def start(self, quality: object = None) -> None:
            """Start. Raises what the driver raises, or `TimeoutError`."""
            start = super().start
            try:
                _call(lambda: start(quality), "start", CALL_TIMEOUT, undo=self.stop)
            except TimeoutError as error:
                self._failure = str(error)
                raise
            except Exception:
                self.stop()
                raise

        def stop(self) -> None:
            """Stop. What the driver does not close within `CALL_TIMEOUT` seconds is left to a thread."""
            self._failure = self.fault
            self._waiting_since, self._last_sent = None, math.inf
            try:
                _call(super().stop, "stop", FAULTY_STOP_TIMEOUT if self._failure else CALL_TIMEOUT)
            except TimeoutError as error:
                self._failure = self._failure or str(error)
            except Exception:  # noqa: BLE001  (it is closed all the same)
                self._close()
            self._release_pictures()

        def encode(self, stream: object, request: Any) -> None:  # noqa: ANN401  (a CompletedRequest)
            """Send a picture. This runs in the camera's thread, which an exception would end."""
            if self._failure is not None or self.buf_available.empty():
                # To wait for a buffer would block the camera.
                return
            buffer = self.buf_available.queue[0]
            try:
                super().encode(stream, request)
            except InterruptedError:
                # By a signal: the picture is lost, but neither the camera's buffer nor the encoder's.
                request.release()
                self.buf_available.put(buffer)
            except Exception as error:  # noqa: BLE001
                self._failure = f"it failed: {error}"
                if isinstance(error, OSError):
                    # Picamera2 acquires the request before it calls the driver.
                    request.release()
                return
            else:
                self._last_sent = time.monotonic()
            if self._waiting_since is None:
                self._waiting_since = time.monotonic()

        def thread_poll(self, *arguments: object) -> None:
            """Receive pictures. This is a thread of the encoder."""
            try:
                repeated(super().thread_poll)(*arguments)
            except Exception as error:  # noqa: BLE001
                self._failure = f"it failed: {error}"
                self._release_pictures()

        def outputframe(self, frame: bytes, *arguments: object) -> None:
            """Pass on a picture, unless it is damaged: one that is longer than a buffer comes in pieces."""
            try:
                picture = self._parser.parse(frame)
            except JpegError as error:
                self.broken += 1
                self.last_damage = str(error)
                return
            self._waiting_since = self.last_damage = None
            super().outputframe(picture, *arguments)

        def _release_pictures(self) -> None:
            """Give the camera back what the driver did not. If the driver does later, no thread may wait for it."""
            held = getattr(self, "buf_frame", None)
            if held is None:
                return

            def take() -> Any:  # noqa: ANN401  (a CompletedRequest)
                try:
                    return queue.Queue.get(held, block=False)
                except queue.Empty:
                    return _NONE_LEFT

            held.get = take
            while (request := take()) is not _NONE_LEFT:
                request.release()

        def _close(self) -> None:
            for buffer, _ in self.bufs.values():
                buffer.close()
            self.bufs.clear()
            if self.vd is not None:
                self.vd.close()

    return HardwareEncoder()


def _call(call: Callable[[], None], name: str, timeout: float, undo: Callable[[], None] | None = None) -> None:
    """Call in a thread. Raises what it raises, or `TimeoutError` after `timeout` seconds.

    `undo` is called if it returns later without an error.
    """
    done = threading.Event()
    abandoned = False
    errors: list[Exception] = []
    lock = threading.Lock()

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  (it is raised in the caller)
            errors.append(error)
        with lock:
            late = abandoned
            done.set()
        if late and not errors and undo is not None:
            undo()

    threading.Thread(target=run, name=f"encoder-{name}", daemon=True).start()
    done.wait(timeout)
    with lock:
        if not done.is_set():
            abandoned = True
            raise TimeoutError(f"it did not {name} within {timeout:.0f} s")
    if errors:
        # An exception that a frame of its traceback refers to would keep the buffers of the camera until a collection.
        raise errors.pop()
