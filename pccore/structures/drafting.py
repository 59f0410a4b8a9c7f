"""Circuits in the making: groups with their parameters, weights drawn at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.graph import MAX_EDGES, Group, LeafGroup, ProductGroup, SumGroup
from pccore.structures.base import Size
from pccore.structures.leaf_groups import LeafTable

#: Parameters that a circuit may start with (8 GiB in float32).
MAX_PARAMETERS = 2**31


def check_size(size: Size) -> None:
    """Raise OptionError for more than MAX_PARAMETERS parameters or MAX_EDGES edges."""
    if size.parameters > MAX_PARAMETERS or size.edges > MAX_EDGES:
        raise OptionError(
            f"{size.parameters} parameters and {size.edges} edges are too many to build",
            hint="fewer units, a coarser structure, or hadamard products",
        )


class Draft:
    """Groups in the making, and the shapes of the weights still to be drawn.

    Methods return the position of the group that they add; inputs are positions.
    """

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.params: dict[str, Tensor] = {}
        self._waiting: dict[tuple[int, int], list[str]] = {}
        self._drawn = set[str]()

    def add(self, group: Group) -> int:
        """Any group whose parameters are there already."""
        self.groups.append(group)
        return len(self.groups) - 1

    def dense(
        self, name: str, inputs: Sequence[int], size: int, parameter: str | None = None
    ) -> int:
        """Sums over all units of the inputs. parameter: the id of tied weights."""
        tied = parameter or name
        self._await((size, sum(self.groups[i].size for i in inputs)), tied)
        return self.add(SumGroup(name, size, tuple(inputs), tied))

    def mixing(self, name: str, inputs: Sequence[int]) -> int:
        """Sums over unit k of each input."""
        size = self.groups[inputs[0]].size
        self._await((size, len(inputs)), name)
        return self.add(SumGroup(name, size, tuple(inputs), name, "elementwise"))

    def _await(self, shape: tuple[int, int], parameter: str) -> None:
        if parameter not in self._drawn:
            self._drawn.add(parameter)
            self._waiting.setdefault(shape, []).append(parameter)

    def kronecker(self, name: str, inputs: Sequence[int]) -> int:
        """Products of all combinations of units."""
        size = 1
        for i in inputs:
            size *= self.groups[i].size
        return self.add(ProductGroup(name, size, tuple(inputs), "kronecker"))

    def hadamard(self, name: str, inputs: Sequence[int]) -> int:
        """Products of unit k of each input."""
        return self.add(ProductGroup(name, self.groups[inputs[0]].size, tuple(inputs)))

    def draw(self, generator: torch.Generator) -> None:
        """Draw all weights, those of one shape at once."""
        for (size, fan_in), names in self._waiting.items():
            block = random_weights((len(names), size, fan_in), generator)
            self.params.update(zip(names, block.unbind(), strict=True))
        self._waiting = {}


def random_weights(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Float32 weights, each last axis uniform on the simplex (Dirichlet of concentration 1).

    Made of exponential variables over their sum; no weight is 0, which EM could not leave.
    """
    weights = torch.rand(shape, generator=generator)
    weights.clamp_min_(1e-12).log_().neg_().clamp_min_(1e-6)
    return weights.div_(weights.sum(-1, keepdim=True))


def add_leaf_regions(
    draft: Draft,
    table: LeafTable,
    values: Sequence[Tensor],
    labels: Sequence[str],
    size: int,
    parameters: Sequence[str] | None = None,
) -> dict[int, int]:
    """The leaves of the regions of a table: region -> position of its `size` units.

    values: of each group of the table. labels: of each region. parameters: ids of tied groups;
    the first one's values count.
    """
    starts, variables = table.group_start.tolist(), table.entry_variable.tolist()
    joined = np.bincount(table.group_region).tolist()
    outputs: dict[int, int] = {}
    parts: list[int] = []
    for i, region in enumerate(table.group_region.tolist()):
        label = labels[region]
        several = joined[region] > 1
        name = f"L({label})#{len(parts)}" if several else f"L({label})"
        family = table.families[int(table.group_family[i])]
        scope = tuple(variables[starts[i] : starts[i + 1]])
        tied = name if parameters is None else parameters[i]
        draft.params.setdefault(tied, values[i])
        parts.append(draft.add(LeafGroup(name, size, family, scope, tied)))
        if len(parts) == joined[region]:
            outputs[region] = draft.hadamard(f"P({label})", parts) if several else parts[0]
            parts = []
    return outputs
