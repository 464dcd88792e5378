"""A full-size snapshot by a command over MQTT: of a webcam, in a real server process that somebody watches."""

import asyncio
import io
import json
import sys
from pathlib import Path

from PIL import Image
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.fake_webcam import FakeWebcam, environment
from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import fetch, wait_for_announcement
from tests.server.support.scripted_camera import grey
from tests.server.support.stream_recorder import StreamRecorder


def test_it_is_retained_at_its_size_and_the_result_tells_the_gap(
    tmp_path: Path, broker: int, listener: Listener
) -> None:
    webcam = FakeWebcam(tmp_path / "video0", [grey(50)], "MJPG 64 48 30\nMJPG 128 96 15\n")
    (webcam.path / "frames" / "900@128").write_bytes(grey(200, (128, 96)))
    (port,) = free_ports(0)
    arguments = ["run", "--no-auth", "--source", "v4l2", "--device", f"{tmp_path}/video0", "--size", "64x48"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--state-dir", str(tmp_path / "state")]
    arguments += ["--mqtt-host", "127.0.0.1", "--mqtt-port", str(broker)]
    program = Program(
        "pi-mjpeg",
        [sys.executable, "-m", "pi_mjpeg_server", *arguments],
        tmp_path / "server.log",
        environment(tmp_path),
    )
    program.start()
    try:
        asyncio.run(program.wait_until(lambda: answers("127.0.0.1", port), 60))
        camera = wait_for_announcement(listener)["cameras"][0]
        viewer = StreamRecorder(port, "/stream")
        viewer.wait(drawn=False, seconds=10)
        result = camera["command_topic"].replace("/command", "/result")
        for number in range(2):
            listener.publish(
                camera["command_topic"], json.dumps({"command": "snapshot", "full": True, "id": f"{number}"})
            )
            listener.wait(lambda heard: sum(topic == result for topic, _ in heard.messages) > number, 10)  # noqa: B023  (it waits here)
        first, second = (json.loads(payload) for topic, payload in listener.messages if topic == result)
        assert (first["id"], first["error"]) == ("0", None)
        assert 0 < first["gap"] < 5
        assert (second["error"]["code"], "gap" in second) == ("busy", False)
        assert "try again in" in second["error"]["message"]
        listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
        kept = json.loads(listener.retained[camera["snapshot_topic"]])
        assert (kept["width"], kept["height"], kept["trigger"]) == (128, 96, "mqtt")
        with Image.open(io.BytesIO(fetch(kept["url"]))) as image:
            assert image.size == (128, 96)
        viewer.wait(drawn=False, seconds=5)
        assert viewer.longest_silence < 2.5
        assert not any(picture.drawn for picture in viewer.pictures)
        viewer.close()
    finally:
        program.stop()
    log = program.log.read_text()
    assert "Traceback" not in log
    assert "pixels now" not in log
