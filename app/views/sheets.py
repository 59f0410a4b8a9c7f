"""Example rows of a dataset as one picture."""

from __future__ import annotations

import numpy as np

from pccore.datasets import Dataset

PAPER = 0.93  # grey of the gaps and of missing values


def contact_sheet(
    dataset: Dataset, columns: int = 8, lines: int = 3, width: int = 640
) -> np.ndarray:
    """The first training rows, uint8 [H, W, 3], about `width` pixels wide.

    Images side by side; rows of other data as strips, a variable a column, scaled to its range.
    """
    if dataset.image is None:
        return _strips(dataset, lines * 6, width, round(width * lines / columns))
    image = dataset.image
    shown = dataset.train[: columns * lines].reshape(-1, image.height, image.width, image.channels)
    scale = max(1, (width // columns - 4) // image.width)
    height, breadth = image.height * scale + 4, image.width * scale + 4
    sheet = np.full((lines * height - 4, columns * breadth - 4, 3), PAPER, np.float32)
    for number, one in enumerate(shown):
        top, left = number // columns * height, number % columns * breadth
        tile = np.nan_to_num(one / image.maximum, nan=PAPER).clip(0, 1)
        tile = tile.repeat(scale, 0).repeat(scale, 1)
        # Two channels have no common colours: the first is shown.
        tile = tile[..., :3] if image.channels >= 3 else tile[..., :1]
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return (sheet * 255).round().astype(np.uint8)


def _strips(dataset: Dataset, count: int, width: int, height: int) -> np.ndarray:
    x = dataset.train[:count]
    low, high = np.nanmin(x, 0, initial=np.inf), np.nanmax(x, 0, initial=-np.inf)
    span = np.where(high > low, high - low, 1)
    grey = np.nan_to_num((x - low) / span, nan=PAPER, posinf=PAPER, neginf=PAPER).clip(0, 1)
    across = np.linspace(0, x.shape[1], width, endpoint=False).astype(int)
    down = np.linspace(0, len(x), height, endpoint=False).astype(int)
    picture = (grey[down][:, across] * 255).round().astype(np.uint8)
    return np.repeat(picture[:, :, None], 3, axis=2)
