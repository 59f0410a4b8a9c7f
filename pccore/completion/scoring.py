"""How far completions are from the truth: MSE and PSNR of hidden pixels, SSIM of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pccore.completion.types import Array, Mask
from pccore.datasets import ImageShape

#: Side of SSIM's window in pixels, where the image is large enough (scikit-image's default).
WINDOW = 7


@dataclass(frozen=True, slots=True)
class Scores:
    """Of several completions. mse: mean squared error of all hidden values that are known, on the
    0-255 scale. psnr: 10 log10(255^2 / mse) in dB, inf without error. ssim: mean structural
    similarity of whole pictures, 1 where they are equal. NaN where nothing could be compared."""

    mse: float
    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True, eq=False)
class RowScores:
    """The same for each row, [N] each; the PSNR is that of the row's own MSE."""

    mse: Array
    psnr: Array
    ssim: Array


def scores(truth: Array, guess: Array, hidden: Mask, image: ImageShape) -> Scores:
    """Scores of all rows [N, V] together; hidden: bool [V] or [N, V]."""
    return summary(row_scores(truth, guess, hidden, image), truth, guess, hidden, image)


def summary(rows: RowScores, truth: Array, guess: Array, hidden: Mask, image: ImageShape) -> Scores:
    """`scores`, where `row_scores` is there already."""
    mse = mean_squared_error(truth, guess, hidden, image)
    known = rows.ssim[~np.isnan(rows.ssim)]
    similar = float(known.mean()) if len(known) else float("nan")
    return Scores(mse, float(_psnr(np.array([mse]))[0]), similar)


def row_scores(truth: Array, guess: Array, hidden: Mask, image: ImageShape) -> RowScores:
    """Scores of each row [N, V]; hidden: bool [V] or [N, V]."""
    truth, guess = np.asarray(truth, np.float64), np.asarray(guess, np.float64)
    scored = np.broadcast_to(hidden, truth.shape) & ~np.isnan(truth)
    square = np.where(scored, (guess - truth) * (255.0 / image.maximum), 0.0) ** 2
    count = scored.sum(1)
    mse = np.where(count > 0, square.sum(1) / np.maximum(count, 1), np.nan)
    return RowScores(mse, _psnr(mse), structural_similarity(truth, guess, image))


def mean_squared_error(truth: Array, guess: Array, hidden: Mask, image: ImageShape) -> float:
    """Mean squared error over the hidden values that are known, on the 0-255 scale."""
    scored = np.broadcast_to(hidden, truth.shape) & ~np.isnan(truth)
    if not scored.any():
        return float("nan")
    difference = (np.asarray(guess, np.float64) - truth)[scored] * (255.0 / image.maximum)
    return float(np.mean(difference**2))


def _psnr(mse: Array) -> Array:
    """Peak signal-to-noise ratio in dB of errors on the 0-255 scale."""
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(255.0**2 / mse)


def structural_similarity(truth: Array, guess: Array, image: ImageShape) -> Array:
    """SSIM of each pair of whole pictures [N] (Wang et al. 2004), as scikit-image computes it.

    NaN where a true value is missing or the picture is smaller than 3 pixels.
    """
    # Slow to import, and only this needs it.
    from skimage.metrics import structural_similarity as ssim

    side = min(WINDOW, image.height, image.width)
    window = side if side % 2 else side - 1
    found = np.full(len(truth), np.nan)
    if window < 3:
        return found
    shape = (image.height, image.width, image.channels)
    for number in np.flatnonzero(~np.isnan(truth).any(1) & ~np.isnan(guess).any(1)):
        pair = [(rows[number] * (255.0 / image.maximum)).reshape(shape) for rows in (truth, guess)]
        found[number] = ssim(*pair, win_size=window, data_range=255.0, channel_axis=2)
    return found
