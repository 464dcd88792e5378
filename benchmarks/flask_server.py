"""The peer that the article describes: Flask's threaded server, a thread that reads the camera, and one a viewer.

    python -m benchmarks.flask_server /dev/video0 8080

It reads the camera by this project's own source, so that what differs is how viewers are served.
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
    """Read frames for as long as the process lives."""
    global latest  # noqa: PLW0603  (as the article has it)
    source = V4L2Source(SourceSettings(device=device, size=(1280, 720), fps=30))
    source.open()
    for picture in source.frames():
        if picture is not None:
            with changed:
                latest = picture.jpeg
                changed.notify_all()


def parts() -> Iterator[bytes]:
    """Yield the latest picture whenever there is another one. The article's parts have no length, these need one."""
    yield b"--frame\r\n"
    while True:
        with changed:
            changed.wait()
            jpeg = latest
        yield b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n--frame\r\n"


def video_feed() -> Response:
    """Answer with the stream."""
    return Response(parts(), mimetype="multipart/x-mixed-replace; boundary=frame")


if __name__ == "__main__":
    app.add_url_rule("/video_feed", view_func=video_feed)
    threading.Thread(target=capture, args=(sys.argv[1],), daemon=True).start()
    app.run(port=int(sys.argv[2]), threaded=True)
