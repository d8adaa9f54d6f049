"""The palette keeps what its documentation promises."""

import itertools

import numpy as np
import pytest

from tripletviz.palette import CLASS_COLORS

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
VISIONS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear_rgb(colors):
    parts = [[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in colors]
    parts = np.array(parts)
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def oklab(linear):
    """Björn Ottosson, *A perceptual color space for image processing*, 2020."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(linear @ cones.T) @ axes.T


def luminance(colors):
    return linear_rgb(colors) @ [0.2126, 0.7152, 0.0722]


def test_ten_colors():
    assert len(set(CLASS_COLORS)) == 10


@pytest.mark.parametrize("vision", VISIONS)
def test_colors_stay_apart(vision):
    seen = oklab(np.clip(linear_rgb(CLASS_COLORS) @ VISIONS[vision].T, 0, 1))
    for i, j in itertools.combinations(range(10), 2):
        assert np.linalg.norm(seen[i] - seen[j]) >= 0.10, (CLASS_COLORS[i], CLASS_COLORS[j])


@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
def test_colors_stand_out_on_both_themes(background):
    ground = luminance([background])[0]
    for color, own in zip(CLASS_COLORS, luminance(CLASS_COLORS), strict=True):
        light, dark = max(own, ground), min(own, ground)
        assert (light + 0.05) / (dark + 0.05) >= 2.2, color
