"""Noisy pictures of rectangles, discs and crosses: small, quick to learn, nice to complete."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.base import SPLITS, Bundled, Dataset, ImageShape, default_names
from pccore.leaves.base import Support

_GREY = "rectangles, discs and crosses in 16x16 pixels with 16 grey levels, with noise"
_BINARY = "rectangles, discs and crosses in 16x16 black and white pixels, 2 % of them flipped"
_NAMES = ("rectangle", "disc", "cross")
_ROWS = (2400, 300, 300)
_SIDE = 16
_SEED = 16

Pixels = NDArray[np.float64]  # [N, 16, 16]


def _outlines(random: np.random.RandomState, labels: NDArray[np.int64]) -> Pixels:
    """Signed distance in pixels to the outline of one random shape each, negative inside."""

    def draw(low: float, high: float) -> Pixels:
        return low + (high - low) * random.random_sample((len(labels), 1, 1))

    middle = (_SIDE - 1) / 2
    ys, xs = np.mgrid[:_SIDE, :_SIDE].astype(np.float64)
    dx = np.abs(xs - middle - draw(-2, 2))
    dy = np.abs(ys - middle - draw(-2, 2))
    rectangle = np.maximum(dx - draw(2.5, 6), dy - draw(2.5, 6))
    disc = np.sqrt(dx * dx + dy * dy) - draw(3, 6)
    arm, thick = draw(4, 6.5), draw(0.9, 1.8)
    cross = np.minimum(np.maximum(dx - arm, dy - thick), np.maximum(dx - thick, dy - arm))
    kind = labels[:, None, None]
    return np.where(kind == 0, rectangle, np.where(kind == 1, disc, cross))


def _dataset(name: str, description: str, pixels: Pixels, labels: NDArray[np.int64]) -> Dataset:
    maximum = 15 if name == "shapes" else 1
    count = _SIDE * _SIDE
    cuts = np.cumsum(_ROWS)[:-1]
    train, valid, test = np.split(pixels.reshape(-1, count).astype(np.float32), cuts)
    return Dataset(
        name=name,
        train=train,
        valid=valid,
        test=test,
        variables=default_names(count),
        supports=(Support("finite", maximum + 1),) * count,
        image=ImageShape(_SIDE, _SIDE, maximum=maximum),
        labels=dict(zip(SPLITS, np.split(labels, cuts), strict=True)),
        description=description,
        label_names=_NAMES,
    )


@lru_cache(maxsize=1)
def make_grey() -> Dataset:
    """A light shape (10..15) on a dark ground (0..4), soft edges, noise of about one level."""
    random = np.random.RandomState(_SEED)
    labels = random.randint(0, 3, sum(_ROWS)).astype(np.int64)
    inside = np.clip(0.5 - _outlines(random, labels), 0, 1)
    ground = 4 * random.random_sample((len(labels), 1, 1))
    light = 10 + 5 * random.random_sample((len(labels), 1, 1))
    # Noise from sums of uniforms, not from a normal: the same bits with every maths library.
    noise = sum(random.random_sample(inside.shape) for _ in range(4)) - 2.0
    pixels = np.floor(ground + (light - ground) * inside + 1.7 * noise + 0.5)
    return _dataset("shapes", _GREY, np.clip(pixels, 0, 15), labels)


@lru_cache(maxsize=1)
def make_binary() -> Dataset:
    """White shapes on black; every pixel is flipped with probability 0.02."""
    random = np.random.RandomState(_SEED + 1)
    labels = random.randint(0, 3, sum(_ROWS)).astype(np.int64)
    inside = _outlines(random, labels) < 0
    flipped = random.random_sample(inside.shape) < 0.02
    return _dataset("shapes-binary", _BINARY, (inside ^ flipped).astype(np.float64), labels)


SHAPES = Bundled("shapes", _GREY, _ROWS, _SIDE * _SIDE, make_grey)
SHAPES_BINARY = Bundled("shapes-binary", _BINARY, _ROWS, _SIDE * _SIDE, make_binary)
