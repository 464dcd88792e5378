"""`Picamera2.sensor_modes` of the official Raspberry Pi cameras, as their owners have published them.

Origins: `rpicam-hello --list-cameras` and `Picamera2.sensor_modes` in public issues and repositories. OV5647: the first
recording is in raspberrypi/rpicam-apps issue 427, the second is of a later kernel, with higher rates. IMX219:
raspberrypi/picamera2 issue 683. IMX477: raspberrypi/picamera2 issue 301, and raspberrypi/linux pull request 6208 for
the kernel of 2025. IMX708: mainsail-crew/crowsnest, its page on the camera module 3; the wide model lists the same.
With HDR of the sensor there is one mode (raspberrypi/rpicam-apps issue 570). IMX296: AllskyTeam/allsky issue 3632.
IMX500: the read-me files of several repositories that use it. OV9281, which is not official, is in
raspberrypi/libcamera issue 126.
"""

from typing import Any

RawModes = list[dict[str, Any]]


def _modes(pixel_format: str, *modes: tuple[tuple[int, int], float, tuple[int, int, int, int]]) -> RawModes:
    """Return the modes of one pixel format: the size, the highest frame rate and the crop of each."""
    unpacked = pixel_format.removesuffix("_CSI2P")
    return [
        {
            "format": pixel_format,
            "unpacked": unpacked,
            "bit_depth": int("".join(filter(str.isdigit, unpacked))),
            "size": size,
            "fps": fps,
            "crop_limits": crop,
            "exposure_limits": (26, 1_722_331, 20_000),
        }
        for size, fps, crop in modes
    ]


_WHOLE_V1, _WHOLE_V2, _WHOLE_HQ, _WHOLE_3 = (
    (0, 0, 2592, 1944),
    (0, 0, 3280, 2464),
    (0, 0, 4056, 3040),
    (0, 0, 4608, 2592),
)

OV5647 = _modes(
    "SGBRG10_CSI2P",
    ((640, 480), 58.92, (16, 0, 2560, 1920)),
    ((1296, 972), 43.25, _WHOLE_V1),
    ((1920, 1080), 30.62, (348, 434, 1928, 1080)),
    ((2592, 1944), 15.63, _WHOLE_V1),
)
OV5647_LATER = _modes(
    "SGBRG10_CSI2P",
    ((640, 480), 58.92, (16, 0, 2560, 1920)),
    ((1296, 972), 46.34, _WHOLE_V1),
    ((1920, 1080), 32.81, (348, 434, 1928, 1080)),
    ((2592, 1944), 15.63, _WHOLE_V1),
)
_IMX219 = (
    ((640, 480), 103.33, (1000, 752, 1280, 960)),
    ((1640, 1232), 41.85, _WHOLE_V2),
    ((1920, 1080), 47.57, (680, 692, 1920, 1080)),
    ((3280, 2464), 21.19, _WHOLE_V2),
)
IMX219 = _modes("SRGGB10_CSI2P", *_IMX219) + _modes("SRGGB8", *_IMX219)
IMX477 = _modes("SRGGB10_CSI2P", ((1332, 990), 120.05, (696, 528, 2664, 1980))) + _modes(
    "SRGGB12_CSI2P",
    ((2028, 1080), 50.03, (0, 440, 4056, 2160)),
    ((2028, 1520), 40.01, _WHOLE_HQ),
    ((4056, 3040), 10.0, _WHOLE_HQ),
)
IMX477_LATER = _modes("SRGGB10_CSI2P", ((1332, 990), 169.87, (696, 528, 2664, 1980))) + _modes(
    "SRGGB12_CSI2P",
    ((2028, 1080), 105.95, (0, 440, 4056, 2160)),
    ((2028, 1520), 75.36, _WHOLE_HQ),
    ((4056, 2160), 27.48, (0, 440, 4056, 2160)),
    ((4056, 3040), 19.53, _WHOLE_HQ),
)
IMX708 = _modes(
    "SRGGB10_CSI2P",
    ((1536, 864), 120.13, (768, 432, 3072, 1728)),
    ((2304, 1296), 56.03, _WHOLE_3),
    ((4608, 2592), 14.35, _WHOLE_3),
)
IMX708_WIDE = IMX708
IMX708_HDR = _modes("SRGGB10_CSI2P", ((2304, 1296), 30.0, _WHOLE_3))
IMX296 = _modes("SRGGB10_CSI2P", ((1456, 1088), 60.38, (0, 0, 1456, 1088)))
IMX500 = _modes("SRGGB10_CSI2P", ((2028, 1520), 30.02, _WHOLE_HQ), ((4056, 3040), 10.0, _WHOLE_HQ))
OV9281 = _modes(
    "R8",
    ((640, 400), 309.79, (0, 0, 1280, 800)),
    ((1280, 720), 171.79, (0, 0, 1280, 720)),
    ((1280, 800), 143.66, (0, 0, 1280, 800)),
) + _modes(
    "R10_CSI2P",
    ((640, 400), 247.83, (0, 0, 1280, 800)),
    ((1280, 720), 137.42, (0, 0, 1280, 720)),
    ((1280, 800), 114.93, (0, 0, 1280, 800)),
)

VIRTUAL: RawModes = [{"format": "NV12"}, {"format": "YUV420"}]
"""What Picamera2 says of a camera that is not on the Pi's CSI port."""

OFFICIAL = {
    "module 1 (ov5647)": OV5647,
    "module 1 (ov5647), later kernel": OV5647_LATER,
    "module 2 (imx219)": IMX219,
    "module 3 (imx708)": IMX708,
    "module 3 wide (imx708_wide)": IMX708_WIDE,
    "HQ camera (imx477)": IMX477,
    "HQ camera (imx477), later kernel": IMX477_LATER,
    "global shutter camera (imx296)": IMX296,
    "AI camera (imx500)": IMX500,
}
