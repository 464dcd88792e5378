"""What a report says of a CSI camera, with the real encoders of Picamera2."""

from pi_mjpeg_server.sources import Describable, SourceSettings
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from pi_mjpeg_server.sources.picamera2_library import load_library

from tests.server.support.fake_sensor import SIZE, Untyped

MODES = [
    {
        "format": "SRGGB10_CSI2P",
        "bit_depth": 10,
        "size": (1536, 864),
        "fps": 120.13,
        "crop_limits": (768, 432, 3072, 1728),
    },
    {"format": "SRGGB10_CSI2P", "bit_depth": 10, "size": (4608, 2592), "fps": 14.35, "crop_limits": (0, 0, 4608, 2592)},
]


def opened(camera: Untyped) -> Picamera2Source:
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    assert isinstance(source, Describable)
    camera.return_value.camera_configuration.return_value = {
        "main": {"size": SIZE, "format": "YUV420"},
        "buffer_count": 4,
        "sensor": {"output_size": (1536, 864), "bit_depth": 10},
    }
    camera.return_value.sensor_modes_ = MODES
    return source


def test_the_encoder_that_runs_and_the_modes_of_the_sensor_are_told(camera: Untyped) -> None:
    library = load_library()
    source = opened(camera)
    camera.return_value.encoders = {library.JpegEncoder()}
    details = source.details()
    assert details["encoder"] == "JpegEncoder, in software"
    assert details["sensor mode"] == "1536x864 with 10 bits"
    assert details["sensor modes"] == (
        "1536x864 at 120.13 fps with 10 bits, view 3072x1728 from 768,432; "
        "4608x2592 at 14.35 fps with 10 bits, view 4608x2592 from 0,0"
    )
    assert details["pictures in memory"] == "4"
    assert "ExposureTime" in details["controls"]
    camera.return_value.encoders = {library.MJPEGEncoder()}
    assert source.details()["encoder"] == "MJPEGEncoder, in hardware"
    camera.return_value.encoders = set()
    assert source.details()["encoder"] == "none runs"


def test_what_cannot_be_read_costs_only_itself(camera: Untyped) -> None:
    source = opened(camera)
    camera.return_value.encoders = set()
    camera.return_value.camera_configuration.return_value = {"sensor": None}
    camera.return_value.sensor_modes_ = [{"format": "YUYV"}, {"size": (640, 480)}]
    details = source.details()
    assert details["sensor mode"] == "not told"
    assert details["sensor modes"] == "cannot be read (KeyError)"
    assert details["pictures in memory"] == "cannot be read (KeyError)"
    assert details["encoder"] == "none runs"
    camera.return_value.sensor_modes_ = [{"format": "YUYV"}]
    assert source.details()["sensor modes"] == "YUYV"
