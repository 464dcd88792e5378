"""A detailed picture for encoders, and how similar what they made of it still is."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.server.support.buffer_sensor import Planes, planes

_WINDOW = 8


def detailed(size: tuple[int, int]) -> Planes:
    """Return a picture with the noise of a camera. It takes about as many bits as a photograph at each JPEG quality."""
    width, height = size
    random = np.random.default_rng(1)
    luma = 128 + 38 * _pink(random, width, height) + random.normal(0, 2, (height, width))
    blue, red = (128 + 16 * _pink(random, width // 2, height // 2) for _ in range(2))
    return planes(*(np.clip(plane, 0, 255).astype(np.uint8) for plane in (luma, blue, red)))


def ssim(original: NDArray[np.uint8], jpeg: bytes) -> float:
    """Return the structural similarity of two luma planes (Wang and others, 2004), with square windows of 8 pixels."""
    with Image.open(io.BytesIO(jpeg)) as image:
        image.draft("YCbCr", image.size)
        a, b = original.astype(float), np.asarray(image)[:, :, 0].astype(float)
    mean_a, mean_b = _mean(a), _mean(b)
    variance_a, variance_b = _mean(a * a) - mean_a**2, _mean(b * b) - mean_b**2
    covariance = _mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
    return float((luminance * (2 * covariance + 58.5225) / (variance_a + variance_b + 58.5225)).mean())


def _pink(random: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """Return noise whose amplitude falls with the frequency, of variance 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(random.normal(size=(height, width))) / frequency**1.5, (height, width))
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float64)


def _mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.pad(plane.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    n = _WINDOW
    means: NDArray[np.float64] = (sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / n**2
    return means
