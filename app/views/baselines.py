"""What the simple baselines make of a picture, as cards beside the models'."""

from __future__ import annotations

import math

import numpy as np

from pc_workbench.components.pictures import Card
from pc_workbench.views.masks import hidden_columns
from pccore.completion import BASELINES, mean_squared_error, to_pixels
from pccore.completion.baselines import TITLES
from pccore.datasets import ImageShape

#: Training pictures that they learn from: they are to follow the brush.
MOST = 2000


def baseline_cards(
    train: np.ndarray, row: np.ndarray, mask: np.ndarray, grid: ImageShape
) -> list[Card]:
    """Nearest neighbour, PCA, probabilistic PCA and the mean image, with their errors.

    train: [N, V], of which the first `MOST` count. row: the true values [V]. mask: bool [H, W].
    """
    hidden = hidden_columns(mask, grid)
    rows = np.asarray(row, np.float64)[None]
    cards: list[Card] = []
    for name, fill in BASELINES.items():
        found = fill(train[:MOST], rows, hidden, grid)
        error = mean_squared_error(rows, found, hidden, grid)
        said = "" if math.isnan(error) else f"MSE {error:.0f}"
        cards.append(Card(TITLES[name], to_pixels(found[0], grid), said))
    return cards


def note(count: int) -> str:
    """What they have learned from."""
    if count <= MOST:
        return f"learned from {count:,} training pictures"
    return f"learned from the first {MOST:,} of {count:,} training pictures"
