"""Naive Bayes: a mixture of components in which all variables are independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pccore.graph import Circuit
from pccore.options import option
from pccore.structures.base import Shape, Size, Structure
from pccore.structures.leaf_groups import LeafOptions
from pccore.structures.parametrise import (
    RegionOptions,
    region_circuit,
    region_size,
)
from pccore.structures.region_graph import RegionGraph


@dataclass(frozen=True)
class NaiveBayesOptions(LeafOptions):
    """Options of the naive Bayes mixture."""

    components: int = option(32, help="components of the mixture", minimum=1, maximum=100_000)
    roots: int = option(1, help="root units, such as one for each class", minimum=1, maximum=1024)


def one_region(num_variables: int) -> RegionGraph:
    """The region graph whose only region is a leaf over all variables."""
    nothing = np.zeros(0, dtype=np.int64)
    return RegionGraph(
        num_variables,
        ("root",),
        np.array([0, num_variables], dtype=np.int64),
        np.arange(num_variables, dtype=np.int64),
        nothing,
        np.zeros(1, dtype=np.int64),
        nothing,
    )


def mixture_options(leaves: LeafOptions, components: int, roots: int) -> RegionOptions:
    """How the one region of a mixture becomes a circuit."""
    return RegionOptions(
        leaf=leaves.leaf,
        min_variance=leaves.min_variance,
        max_variance=leaves.max_variance,
        start=leaves.start,
        seed=leaves.seed,
        units=1,
        input_units=components,
        roots=roots,
    )


def _build(shape: Shape, options: NaiveBayesOptions) -> Circuit:
    mixture = mixture_options(options, options.components, options.roots)
    return region_circuit(one_region(shape.num_variables), shape, mixture)


def _size(shape: Shape, options: NaiveBayesOptions) -> Size:
    mixture = mixture_options(options, options.components, options.roots)
    return region_size(one_region(shape.num_variables), shape, mixture)


STRUCTURE = Structure(
    name="naive_bayes",
    title="Naive Bayes mixture",
    description="A mixture of components with independent variables; the simplest circuit "
    "that models dependence, and a baseline for the others.",
    options=NaiveBayesOptions,
    build=_build,
    size=_size,
)
