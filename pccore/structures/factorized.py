"""Full factorisation: every variable on its own, the baseline below all others."""

from __future__ import annotations

from dataclasses import dataclass

from pccore.graph import Circuit
from pccore.structures.base import Shape, Size, Structure
from pccore.structures.leaf_groups import LeafOptions
from pccore.structures.naive_bayes import mixture_options, one_region
from pccore.structures.parametrise import region_circuit, region_size


@dataclass(frozen=True)
class FactorizedOptions(LeafOptions):
    """Options of the full factorisation."""


def _build(shape: Shape, options: FactorizedOptions) -> Circuit:
    return region_circuit(one_region(shape.num_variables), shape, mixture_options(options, 1, 1))


def _size(shape: Shape, options: FactorizedOptions) -> Size:
    return region_size(one_region(shape.num_variables), shape, mixture_options(options, 1, 1))


STRUCTURE = Structure(
    name="factorized",
    title="Independent variables",
    description="A product of one distribution for each variable, under a sum with one child. "
    "What it misses is what the other structures model.",
    options=FactorizedOptions,
    build=_build,
    size=_size,
)
