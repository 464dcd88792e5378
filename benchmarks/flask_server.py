"""Flask's threaded server, as in Miguel Grinberg's article: one thread reads the camera, one serves each viewer.

    python -m benchmarks.flask_server /dev/video0 8080

It reads the camera with this project's own source, so the servers differ only in how they serve viewers.
"""

import sys
import threading
from collections.abc import Iterator

from flask import Flask, Response
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.v4l2 import V4L2Source

app = Flask(__name__)
changed = threading.Condition()
latest = b""


def capture(device: str) -> None:
    """Read frames until the process ends."""
    global latest  # noqa: PLW0603  (as in the article)
    source = V4L2Source(SourceSettings(device=device, size=(1280, 720), fps=30))
    source.open()
    for picture in source.frames():
        if picture is not None:
            with changed:
                latest = picture.jpeg
                changed.notify_all()


def parts() -> Iterator[bytes]:
    """Yield each new frame as a part, with the Content-Length that the load generator needs."""
    yield b"--frame\r\n"
    while True:
        with changed:
            changed.wait()
            jpeg = latest
        yield b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n--frame\r\n"


def video_feed() -> Response:
    """Return the stream."""
    return Response(parts(), mimetype="multipart/x-mixed-replace; boundary=frame")


if __name__ == "__main__":
    app.add_url_rule("/video_feed", view_func=video_feed)
    threading.Thread(target=capture, args=(sys.argv[1],), daemon=True).start()
    app.run(port=int(sys.argv[2]), threaded=True)
