"""Completions of a picture: what the circuit makes of the pixels that it is not shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pc_workbench.views.masks import evidence_of
from pccore import queries
from pccore.compile import Program
from pccore.completion import Uncertainty, mean_squared_error, to_pixels
from pccore.completion import uncertainty as doubts
from pccore.datasets import Dataset, ImageShape
from pccore.errors import DataError
from pccore.graph import Circuit

#: Largest value that a pixel may have: 16 bits.
LARGEST_VALUE = 65_535


@dataclass(frozen=True, eq=False)
class Picture:
    """One completion. image: uint8 [H, W] or [H, W, 3]. log_probability: log P(hidden | visible)
    in nats, None where the values are no state. mse: on the hidden pixels, 0..255 squared."""

    image: np.ndarray
    log_probability: float | None
    mse: float | None


@dataclass(frozen=True, eq=False)
class Completion:
    """Everything the page shows for one mask.

    mpe, tree, mean, samples: None or empty where not asked for; tree is the SPN paper's way, sums
    up and maxima down. uncertainty: of each pixel as a picture, uint8 [H, W], white at
    `white`, which says of what. log_visible: log P of the visible pixels. log_truth: log P(true
    hidden pixels | visible). exact: whether MPE and tree are. density: pixels are real numbers, so
    that these are densities and may be above 0.
    """

    evidence: np.ndarray
    mpe: Picture | None
    tree: Picture | None
    mean: Picture | None
    samples: tuple[Picture, ...]
    uncertainty: np.ndarray | None
    white: str
    log_visible: float
    log_truth: float | None
    exact: bool
    density: bool


def image_shape(circuit: Circuit, dataset: Dataset | None = None) -> ImageShape | None:
    """The picture that the variables of a circuit make up, or None.

    The circuit's notes decide; a missing maximum comes from the dataset, then from the variables.
    """
    noted = circuit.meta.get("image")
    if not isinstance(noted, Mapping):
        return None
    sizes = [
        noted.get(key, 1 if key == "channels" else 0) for key in ("height", "width", "channels")
    ]
    if not all(type(size) is int and size > 0 for size in sizes):
        return None
    height, width, channels = (int(size) for size in sizes)  # type: ignore[arg-type]
    if height * width * channels != len(circuit.variables) or channels not in (1, 3):
        return None
    maximum = noted.get("maximum")
    if not isinstance(maximum, int | float) or not 1 <= maximum <= LARGEST_VALUE:
        states = circuit.domain(0).states
        image = dataset.image if dataset else None
        maximum = image.maximum if image else (states or 256) - 1
    return ImageShape(height, width, channels, max(1, round(maximum)))


def fits(dataset: Dataset, grid: ImageShape) -> bool:
    """Whether the rows of a dataset are such pictures."""
    image = dataset.image
    if image is None or image.maximum > grid.maximum:
        return False
    return (image.height, image.width, image.channels) == (grid.height, grid.width, grid.channels)


def complete(
    program: Program,
    row: np.ndarray,
    mask: np.ndarray,
    grid: ImageShape,
    *,
    seed: int = 0,
    samples: int = 3,
    mpe: bool = True,
    tree: bool = False,
    mean: bool = True,
    uncertainty: bool = False,
) -> Completion:
    """Complete one picture.

    row: the true values [V], 0..maximum, NaN = missing. mask: bool [H, W], True = hidden.

    Raises PropertyError where the circuit may not be asked, EvidenceError for values that it
    cannot have, DataError for a row of another length.
    """
    row = np.asarray(row, dtype=np.float64).reshape(-1)
    if len(row) != grid.size:
        raise DataError(f"a row of {len(row)} values is no picture of {grid}")
    evidence = evidence_of(row, mask, grid)
    hidden = np.isnan(evidence)
    states: list[np.ndarray] = []
    exact = True
    ways: Sequence[tuple[bool, Literal["max", "sum"]]] = ((mpe, "max"), (tree, "sum"))
    for asked, up in ways:
        if asked:
            found = queries.mpe(program, evidence, up=up)
            exact = found.quality == "exact" or not hidden.any()
            states.append(found.assignment[0].numpy())
    if samples:
        states.extend(queries.sample(program, samples, evidence, seed=seed).numpy())
    average: np.ndarray | None = None
    unsure: Uncertainty | None = None
    if uncertainty:
        unsure = doubts(program, row[None], hidden, grid)
        average = unsure.means[0]
    elif mean:
        average = queries.posterior_mean(program, evidence)[0].numpy()
    # One pass for all probabilities: the last row, of which nothing is known, gives Z.
    queries.require(program, "probability")
    rows = [evidence, row, *states, np.full_like(row, np.nan)]
    *values, log_z = queries.log_value(program, torch.from_numpy(np.stack(rows))).tolist()
    visible = values[0] - log_z
    chances = [value - values[0] for value in values[1:]]
    pictures = [
        Picture(to_pixels(state, grid), chance, _error(state, row, hidden, grid))
        for state, chance in zip(states, chances[1:], strict=True)
    ]
    rest = iter(pictures)
    return Completion(
        evidence=evidence,
        mpe=next(rest) if mpe else None,
        tree=next(rest) if tree else None,
        mean=None
        if average is None or not mean
        else Picture(to_pixels(average, grid), None, _error(average, row, hidden, grid)),
        samples=tuple(rest),
        uncertainty=None if unsure is None else unsure.map_of(0, grid),
        white="" if unsure is None else _white(unsure),
        log_visible=visible,
        log_truth=chances[0] if math.isfinite(chances[0]) else None,
        exact=exact,
        density=program.circuit.domain(0).kind == "real",
    )


def _white(found: Uncertainty) -> str:
    """What white means on the map."""
    if found.measure == "entropy":
        return f"entropy, white: {found.scale:.3g} bits"
    return f"σ, white: {found.scale:.0f} of 255"


def _error(
    values: np.ndarray, truth: np.ndarray, hidden: np.ndarray, grid: ImageShape
) -> float | None:
    """The error that a caption shows, None where no hidden value is known."""
    error = mean_squared_error(truth, values, hidden, grid)
    return None if math.isnan(error) else error
