"""The leaves of structures: which family each variable has, and where the parameters start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pccore.errors import OptionError
from pccore.leaves import families
from pccore.leaves.base import LeafFamily, Summary, Support
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.options import option
from pccore.structures.base import Shape
from pccore.structures.region_graph import RegionGraph


@dataclass(frozen=True)
class FamilyOptions:
    """What every structure of the package asks about its leaves."""

    leaf: Literal["auto", "categorical", "binomial", "bernoulli", "gaussian"] = option(
        "auto",
        help="distribution of a finite variable; auto: Bernoulli for two states, else "
        "categorical. Real variables are always Gaussian; gaussian: finite ones too",
    )
    min_variance: float = option(
        1e-4, help="Gaussian variances are kept at or above this", minimum=1e-12
    )
    max_variance: float = option(
        1e12, help="Gaussian variances are kept at or below this", minimum=1e-12
    )
    seed: int = option(
        0, help="seed of the random structure and parameters", minimum=0, maximum=2**31 - 1
    )

    def __post_init__(self) -> None:
        if self.min_variance > self.max_variance:
            raise ValueError("min_variance must not exceed max_variance")


@dataclass(frozen=True)
class LeafOptions(FamilyOptions):
    """And about its start values, where training is to follow."""

    start: Literal["random", "quantiles", "clusters"] = option(
        "random",
        help="quantiles: Gaussian leaves start at the means of the quantiles of the data, with the "
        "variance of the data, as in Poon & Domingos; clusters: all parameters are those of "
        "k-means clusters of each region's data, often good without any training",
    )
    context: float = option(
        0.0,
        help="clusters: how much rows of one cluster of a region should agree in what the region "
        "says about the rest, beside agreeing in the region itself; 1 is good for completion",
        minimum=0.0,
        maximum=100.0,
        advanced=True,
    )
    smoothing: float = option(
        0.5,
        help="clusters: rows that every sum counts besides its own, spread over its edges; with "
        "less, a completion trusts what goes with what more",
        minimum=1e-3,
        maximum=1e3,
        advanced=True,
    )
    variance_floor: float = option(
        0.0,
        help="clusters: Gaussian variances are at least this many times the mean variance of the "
        "data; from 1 on completions blend what many clusters say, at the price of likelihood",
        minimum=0.0,
        maximum=1e3,
        advanced=True,
    )


def families_of(shape: Shape, options: FamilyOptions) -> tuple[LeafFamily, ...]:
    """The leaf family of each variable.

    Raises OptionError where no family suits a variable or the option forbids it.
    """
    chosen: dict[Support, LeafFamily] = {}
    for name, support in zip(shape.variables, shape.supports, strict=True):
        if support not in chosen:
            chosen[support] = _family(name, support, options)
    return tuple(chosen[support] for support in shape.supports)


def _family(variable: str, support: Support, options: FamilyOptions) -> LeafFamily:
    choice = options.leaf
    if support.kind == "real" or choice == "gaussian":
        return Gaussian(options.min_variance, options.max_variance)
    if support.kind == "count":
        # Families are plug-ins: one for counts may or may not be installed.
        for family in families().values():
            try:
                candidate = family()
            except TypeError:
                continue
            if candidate.support == support:
                return candidate
        raise OptionError(f"no leaf family has counts such as {variable}", hint="try leaf=gaussian")
    states = support.states or 2
    if choice == "bernoulli" or (choice == "auto" and states == 2):
        if states != 2:
            raise OptionError(
                f"bernoulli leaves need two states, and {variable} has {states}", where="leaf"
            )
        return Bernoulli()
    return Binomial(max(states - 1, 1)) if choice == "binomial" else Categorical(states)


@dataclass(frozen=True, eq=False)
class LeafTable:
    """The variables of all leaf regions, split into groups of one family each.

    entry_variable, entry_family [n]: sorted by region, family, variable; families are
    numbered. group_start [G + 1]: the entries of each group. group_region, group_family [G].
    """

    families: tuple[LeafFamily, ...]
    entry_variable: npt.NDArray[np.int64]
    entry_family: npt.NDArray[np.int64]
    group_start: npt.NDArray[np.int64]
    group_region: npt.NDArray[np.int64]
    group_family: npt.NDArray[np.int64]

    @classmethod
    def of(cls, graph: RegionGraph, per_variable: Sequence[LeafFamily]) -> LeafTable:
        """The table of a region graph whose variables have these families."""
        return cls.of_rows(np.diff(graph.leaf_offsets), graph.leaf_variables, per_variable)

    @classmethod
    def of_rows(
        cls,
        lengths: npt.NDArray[np.int64],
        variables: npt.NDArray[np.int64],
        per_variable: Sequence[LeafFamily],
    ) -> LeafTable:
        """The table of regions given by how many variables each has, and these in a row."""
        numbers = {family: i for i, family in enumerate(dict.fromkeys(per_variable))}
        family_of = np.array([numbers[family] for family in per_variable], dtype=np.int64)
        region = np.repeat(np.arange(len(lengths)), lengths)
        family = family_of[variables]
        variable = variables
        if len(numbers) > 1:  # otherwise they are in order already
            order = np.lexsort((variable, family, region))
            region, family, variable = region[order], family[order], variable[order]
        first = np.ones(len(region), dtype=np.bool_)
        first[1:] = (region[1:] != region[:-1]) | (family[1:] != family[:-1])
        starts = np.flatnonzero(first)
        ends = np.append(starts, len(region)).astype(np.int64)
        return cls(tuple(numbers), variable, family, ends, region[starts], family[starts])

    def only(self, groups: Sequence[int]) -> LeafTable:
        """The table of some of the groups, in this order."""
        rows = [np.arange(self.group_start[i], self.group_start[i + 1]) for i in groups]
        entries = np.concatenate(rows)
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        return LeafTable(
            self.families,
            self.entry_variable[entries],
            self.entry_family[entries],
            starts,
            self.group_region[groups],
            self.group_family[groups],
        )


def initial_leaves(
    table: LeafTable,
    k_in: int,
    generator: torch.Generator,
    shape: Shape,
    start: Literal["random", "quantiles", "clusters"] = "random",
) -> list[Tensor]:
    """Start values [d, K_in, *P] of each group; one draw for each family, then split.

    Raises OptionError for quantiles without data.
    """
    if start == "quantiles" and (shape.data is None or shape.summary is None):
        raise OptionError("quantiles need training data", where="start")
    values: list[Tensor | None] = [None] * len(table.group_region)
    lengths = np.diff(table.group_start)
    for number, family in enumerate(table.families):
        variables = torch.from_numpy(table.entry_variable[table.entry_family == number])
        groups = np.flatnonzero(table.group_family == number)
        if len(groups) == 0:
            continue
        known = None if shape.summary is None else restricted(shape.summary, variables)
        drawn = family.initial((len(variables), k_in), generator, known)
        given = shape.data if start == "quantiles" else None
        if isinstance(family, Gaussian) and given is not None and known is not None:
            drawn = _at_quantiles(family, given, known, variables, k_in)
        pieces = torch.split(drawn, lengths[groups].tolist())
        for group, piece in zip(groups.tolist(), pieces, strict=True):
            values[group] = piece
    return [value for value in values if value is not None]


def _at_quantiles(
    family: Gaussian,
    data: npt.NDArray[np.floating[Any]],
    summary: Summary,
    variables: Tensor,
    k_in: int,
) -> Tensor:
    """Means at those of k_in quantiles, variances those of the data: [d, k_in, 2].

    Poon & Domingos 2011, sec. 5, where images are scaled so that the variance is 1.
    """
    used, where = torch.unique(variables, return_inverse=True)
    means = torch.from_numpy(quantile_means(data[:, used.numpy()], k_in)).float()[where]
    spread = summary.variance.to(means).clamp(family.min_variance, family.max_variance)
    return torch.stack((means, spread[:, None].expand_as(means)), -1)


def quantile_means(data: npt.NDArray[np.floating[Any]], parts: int) -> npt.NDArray[np.float64]:
    """Means of the `parts` equal parts of each column's sorted values, [V, parts].

    Missing values (NaN) are left out; a column without values has zeros, one with fewer values
    than parts repeats them.
    """
    ordered = np.sort(np.asarray(data, dtype=np.float64), axis=0)  # NaN last
    known = np.isfinite(ordered).sum(0)
    sums = np.concatenate([np.zeros((1, data.shape[1])), np.nancumsum(ordered, axis=0)])
    edges = known * np.arange(parts + 1)[:, None] / parts
    low, high = np.floor(edges[:-1]).astype(np.int64), np.ceil(edges[1:]).astype(np.int64)
    counts = np.maximum(high - low, 1)
    total = np.take_along_axis(sums, high, 0) - np.take_along_axis(sums, low, 0)
    return (total / counts).T


def restricted(summary: Summary, variables: Tensor) -> Summary:
    """The part of a summary that is about some variables, int64 [d]."""
    counts = None if summary.counts is None else summary.counts[variables]
    return Summary(summary.mean[variables], summary.variance[variables], counts)
