"""A look at a model while it learns: samples, the mean, and parts that do no work.

A look costs about what a small batch does, and a run takes one only as often as that is nothing
beside the training. It changes neither parameters nor the order of the batches.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from pccore.compile import Program
from pccore.compile.banks import LeafBank
from pccore.compile.program import LARGEST_TILE
from pccore.compile.tiling import in_tiles
from pccore.datasets import ImageShape
from pccore.graph import Unit
from pccore.queries import posterior_mean, sample

#: Rows that the use of units is counted on, and samples that are drawn.
ROWS, SAMPLES = 200, 8
#: A unit that takes part in fewer rows than this share is called unused.
LEAST = 1e-3
#: Weights and probabilities below this count as zero; variances this near to a bound are at it.
ZERO, NEAR = 1e-12, 1e-4
#: Names of unused units that are listed.
NAMED = 5
#: A look without its tensors, as JSON values.
Facts = Mapping[str, int | list[str] | list[int]]
#: Seconds between looks, and how many times longer the training between them has to take.
EVERY, PATIENCE = 2.0, 40.0


@dataclass(frozen=True)
class Health:
    """Parts of a model that do no work, and bounds that are reached.

    epoch: after which it was looked at. rows: of the data that were explained. unused_*: units
    whose flow is below LEAST of a row; names: of some. low_variances, high_variances: at the
    bounds of their family. zero_probabilities: of states, of leaves with probabilities.
    """

    epoch: int
    rows: int
    sums: int = 0
    unused_sums: int = 0
    leaves: int = 0
    unused_leaves: int = 0
    names: tuple[str, ...] = ()
    weights: int = 0
    zero_weights: int = 0
    variances: int = 0
    low_variances: int = 0
    high_variances: int = 0
    probabilities: int = 0
    zero_probabilities: int = 0


@dataclass(frozen=True, eq=False)
class Look:
    """One look. image: how a row is one; samples: [n, V] and mean: [V] only then."""

    health: Health
    image: ImageShape | None = None
    samples: Tensor | None = None
    mean: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """What `restored` takes back, with the facts."""
        parts = {"samples": self.samples, "mean": self.mean}
        return {name: part for name, part in parts.items() if part is not None}

    def facts(self) -> Facts:
        """The health, and the image's shape, as JSON values."""
        image = [] if self.image is None else [self.image.height, self.image.width,
                                               self.image.channels, self.image.maximum]  # fmt: skip
        return {**asdict(self.health), "names": list(self.health.names), "image": image}


def restored(tensors: Mapping[str, Tensor], facts: Facts) -> Look:
    """The look whose tensors and facts these are. Raises TypeError or DataError for others."""
    lists = {name: value for name, value in facts.items() if isinstance(value, list)}
    numbers = {name: int(value) for name, value in facts.items() if isinstance(value, int)}
    health = Health(names=tuple(str(name) for name in lists.get("names", [])), **numbers)
    sides = [int(side) for side in lists.get("image", [])]
    image = ImageShape(*sides) if sides else None
    return Look(health, image, tensors.get("samples"), tensors.get("mean"))


def look(program: Program, rows: Tensor, epoch: int, image: ImageShape | None = None) -> Look:
    """Look at the current parameters. rows: [N, V], of which the first ROWS count."""
    health = health_of(program, rows[:ROWS], epoch)
    if image is None:
        return Look(health)
    drawn = sample(program, SAMPLES, seed=0).float().cpu()
    nothing = torch.full((1, len(program.circuit.variables)), torch.nan)
    return Look(health, image, drawn, posterior_mean(program, nothing)[0].float().cpu())


@torch.no_grad()
def health_of(program: Program, rows: Tensor, epoch: int = 0) -> Health:
    """Parts of the model that do nothing for these rows [N, V], and bounds that are reached."""
    used = _use(program, rows)
    counts = {"sums": 0, "unused_sums": 0, "leaves": 0, "unused_leaves": 0}
    names: list[str] = []
    least = LEAST * len(rows)
    for position, address in program.plan.addresses.items():
        group = program.circuit.groups[position]
        if group.kind == "product":
            continue
        kind = "sums" if group.kind == "sum" else "leaves"
        idle = np.flatnonzero(used[address.first : address.first + address.size] < least).tolist()
        counts[kind] += group.size
        counts[f"unused_{kind}"] += len(idle)
        for index in idle[: NAMED - len(names)]:
            names.append(program.circuit.unit_name(Unit(position, index)))
    return Health(epoch, len(rows), names=tuple(names), **counts, **_bounds(program))


def _use(program: Program, rows: Tensor) -> np.ndarray:
    """For each row of the value buffer in how many rows its unit takes part, expected."""

    def flows(tile: Tensor) -> Tensor:
        with program.spare.borrow() as workspace:
            state = program.evaluate(tile, keep=True, workspace=workspace)
            return program.flows(state).sum(1).double().cpu()

    tiles = in_tiles(program, rows, flows, numbers=LARGEST_TILE, training=True)
    return torch.stack(list(tiles)).sum(0).numpy()


def _bounds(program: Program) -> dict[str, int]:
    """How many parameters there are of each kind, and how many have reached a bound."""
    found = dict[str, int](
        weights=0, zero_weights=0, variances=0, low_variances=0, high_variances=0,
        probabilities=0, zero_probabilities=0,
    )  # fmt: skip
    for bank in program.banks:
        values = bank.values
        if not isinstance(bank, LeafBank):
            found["weights"] += values.numel()
            found["zero_weights"] += int((values < ZERO).sum())
            continue
        if not bank.trainable:
            continue
        low = getattr(bank.family, "min_variance", None)
        if low is not None:
            variance, high = values[..., 1], float(getattr(bank.family, "max_variance", np.inf))
            found["variances"] += variance.numel()
            found["low_variances"] += int((variance <= low * (1 + NEAR)).sum())
            found["high_variances"] += int((variance >= high * (1 - NEAR)).sum())
        elif bank.family.support.kind == "finite":
            chances = bank.family.probabilities(values)
            found["probabilities"] += chances.numel()
            found["zero_probabilities"] += int((chances < ZERO).sum())
    return found


class Looks:
    """Says when the next look is due: rarely enough to cost the training next to nothing."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY

    @property
    def due(self) -> bool:
        """Whether a look would not be felt now."""
        return time.monotonic() >= self._next

    def took(self, seconds: float) -> None:
        """A look took so long."""
        self._next = time.monotonic() + max(EVERY, PATIENCE * seconds)
