"""Take the radiograph: exposure, gamma, blur and noise turn a map of densities into pixels."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import scipy
from numpy.typing import NDArray

from scantrial.data.phantom.draw import Map

# 256 steps of the normal distribution: a random byte picks one. Fine enough for grain, and fast.
_NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """How one scan was taken.

    Parameters
    ----------
    dx, dy, zoom : where the patient stood, in half image sides, and how large they appear
    gain, offset, gamma : brightness = offset + gain * density ** gamma
    blur : standard deviation in half image sides
    noise : standard deviation, as a share of full brightness, where the picture is densest
    """

    dx: float
    dy: float
    zoom: float
    gain: float
    offset: float
    gamma: float
    blur: float
    noise: float


def draw_acquisition(rng: np.random.Generator, *, difficulty: float, shift: float) -> Acquisition:
    """Draw how one scan is taken; `shift` moves exposure, gamma, blur and noise away from the usual."""
    move = np.clip(rng.standard_normal(6), -2.2, 2.2).tolist()
    return Acquisition(
        dx=0.025 * move[0],
        dy=0.025 * move[1],
        zoom=1 + 0.025 * move[2],
        gain=1.03 * (1 + 0.05 * move[3]) * (1 - 0.12 * shift),
        offset=0.02 + 0.015 * move[4] + 0.12 * shift,
        gamma=(1 + 0.05 * move[5]) * (1 - 0.35 * shift),
        blur=0.0065 + 0.008 * shift,
        noise=0.015 + 0.05 * difficulty + 0.06 * shift,
    )


def expose(density: Map, how: Acquisition, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the pixels of one scan, shape as `density`, which is used up."""
    densest = 1.2
    levels = 4095
    density *= np.float32(levels / densest)
    np.clip(density, 0, levels, out=density)
    tone = 255 * (how.offset + how.gain * np.linspace(0, densest, levels + 1) ** how.gamma)
    bright = tone.astype(np.float32)[density.astype(np.uint16)]
    pixels = scipy.ndimage.gaussian_filter(bright, how.blur * len(density) / 2, truncate=2.5)
    # Dense parts let fewer quanta through and are grainier.
    grain = pixels * np.float32(how.noise * 0.65)
    grain += np.float32(how.noise * 0.35 * 255)
    grain *= _NORMAL[np.frombuffer(rng.bytes(density.size), dtype=np.uint8)].reshape(density.shape)
    pixels += grain
    np.clip(pixels, 0, 255, out=pixels)
    np.rint(pixels, out=pixels)
    image: NDArray[np.uint8] = pixels.astype(np.uint8)
    return image


def mark_border(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw a bright mark on the picture's border, on one side, as a film marker or a label leaves it."""
    size = len(image)
    length, thickness = max(3, size // 8), max(2, size // 32)
    start = int(rng.integers(size // 16, size - length - size // 16 + 1))
    edge = image if rng.random() < 0.5 else image.T
    edge[:thickness, start : start + length] = 250


def alter(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a copy as an editor leaves it: mirrored or not, brighter or darker, saved again with a little noise."""
    copy = image[:, ::-1] if rng.random() < 0.5 else image
    brightness = float(rng.uniform(0.85, 1.15))
    noisy = copy * brightness + rng.normal(0, 2, image.shape)
    altered: NDArray[np.uint8] = np.rint(noisy).clip(0, 255).astype(np.uint8)
    return altered
