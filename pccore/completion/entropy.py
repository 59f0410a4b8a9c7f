"""How sure the circuit is of each hidden pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pccore.completion.types import Array, Mask
from pccore.datasets import ImageShape
from pccore.queries import marginals, posterior_moments
from pccore.queries.subject import Model, as_program

#: Numbers of the tables of posterior probabilities that are held at once.
_TABLE = 2**23


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Uncertainty of the posterior marginals, [N, V]; 0 at what is visible.

    measure: "entropy" of each value's posterior in bits where all variables are finite, else the
    standard "deviation" on the 0-255 scale (mixtures of Gaussians have no entropy in closed form).
    scale: what a map draws white, the largest entropy or half the range. means: E[X | visible]
    [N, V], which the same pass gives.
    """

    values: Array
    measure: Literal["entropy", "deviation"]
    scale: float
    means: Array

    @property
    def unit(self) -> str:
        """What the values are counted in."""
        return "bits" if self.measure == "entropy" else "grey levels of 255"

    def mean_of(self, hidden: Mask) -> Array:
        """Mean over the hidden values of each row, [N]; NaN where none is hidden."""
        chosen = np.broadcast_to(hidden, self.values.shape)
        count = chosen.sum(1)
        total = np.where(chosen, self.values, 0.0).sum(1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def map_of(self, row: int, image: ImageShape) -> npt.NDArray[np.uint8]:
        """The uncertainty of one row as uint8 [H, W], the mean over the channels of a pixel."""
        shape = (image.height, image.width, image.channels)
        shares = self.values[row].reshape(shape).mean(-1) / self.scale
        return np.rint(np.clip(np.nan_to_num(shares), 0.0, 1.0) * 255).astype(np.uint8)


def uncertainty(model: Model, rows: Array, hidden: Mask, image: ImageShape) -> Uncertainty:
    """The uncertainty of every hidden or missing value; hidden: bool [V] or [N, V].

    One up and one down pass. Raises PropertyError unless the circuit is smooth and decomposable,
    EvidenceError where the visible part is impossible.
    """
    program = as_program(model)
    visible = np.where(hidden, np.nan, np.asarray(rows, dtype=np.float64))
    domains = program.circuit.domains.values()
    states = max((domain.states or 0 for domain in domains), default=0)
    if not all(domain.kind == "finite" for domain in domains) or states < 2:
        _, means, variances = posterior_moments(program, visible)
        deviation = np.sqrt(variances.numpy()) * (255.0 / image.maximum)
        return Uncertainty(deviation, "deviation", 127.5, means.numpy())
    step = max(1, _TABLE // (visible.shape[1] * states))
    entropy, means = np.zeros(visible.shape), np.zeros(visible.shape)
    for first in range(0, len(visible), step):
        part = slice(first, first + step)
        found = marginals(program, visible[part])
        means[part] = found.mean.numpy()
        for v, table in enumerate(found.probabilities):
            entropy[part, v] = np.nan if table is None else _bits(table.numpy())
    return Uncertainty(entropy, "entropy", float(np.log2(states)), means)


def _bits(chances: Array) -> Array:
    """Entropy in bits of distributions [N, C], [N]."""
    logs = np.log2(chances, out=np.zeros_like(chances), where=chances > 0)
    return np.maximum(0.0, -(chances * logs).sum(1))
