"""HyperSPNs: a large circuit whose weights a small network generates (Shih et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pccore.graph import Circuit
from pccore.options import option
from pccore.structures import pd, rat
from pccore.structures.base import Shape, Size, Structure, size_of
from pccore.structures.leaf_groups import FamilyOptions
from pccore.structures.sectors import sectors_circuit, sectors_size
from pccore.transform.generate import generated

#: Weights of a sector of an EiNet (Shih et al. 2021, sec. 4.3).
EINET_SECTOR = 40


@dataclass(frozen=True)
class HyperOptions(FamilyOptions):
    """Options of HyperSPNs: those of the circuit, and those of the network."""

    base: Literal["sectors", "rat", "pd"] = option(
        "sectors",
        help="the circuit; sectors: the paper's RAT-SPN; rat, pd: EiNets over random trees or over "
        "the rectangles of an image",
    )
    units: int = option(5, help="k, sums of a region", minimum=1, maximum=256)
    replicas: int = option(10, help="r, random trees mixed at the root", minimum=1, maximum=1000)
    embedding: int = option(5, help="h, numbers of a sector's embedding", minimum=1, maximum=256)
    hidden: tuple[int, ...] = option(
        (20, 20), help="widths of the network's inner layers", minimum=1, maximum=4096
    )
    copies: bool = option(
        False,
        help="units indicators for each variable of the paper's RAT-SPN, also where it has fewer "
        "states: learns faster, overfits sooner",
        advanced=True,
    )
    sector: int | None = option(
        None,
        help="weights of a sector; none: units x units, for EiNets 40",
        minimum=1,
        maximum=2**20,
        advanced=True,
    )


def _network_count(options: HyperOptions, sectors: int, sector: int) -> int:
    widths = (options.embedding, *options.hidden, sector)
    layers = sum(b * (a + 1) for a, b in pairwise(widths))
    return sectors * options.embedding + layers


def _base(shape: Shape, options: HyperOptions) -> Circuit:
    family: Mapping[str, object] = {
        "leaf": options.leaf,
        "min_variance": options.min_variance,
        "max_variance": options.max_variance,
        "seed": options.seed,
        "units": options.units,
    }
    if options.base == "pd":
        pd.STRUCTURE.require(shape)
        return pd.STRUCTURE.build(shape, pd.PdOptions(**family))  # pyright: ignore[reportArgumentType]
    if options.base == "sectors":
        return sectors_circuit(shape, options, options.units, options.replicas, options.copies)
    chosen = rat.RatOptions(**family, replicas=options.replicas)  # pyright: ignore[reportArgumentType]
    return rat.STRUCTURE.build(shape, chosen)


def _sector(options: HyperOptions) -> int:
    if options.sector is not None:
        return options.sector
    return options.units**2 if options.base == "sectors" else EINET_SECTOR


def _build(shape: Shape, options: HyperOptions) -> Circuit:
    circuit = _base(shape, options)
    return generated(circuit, options.embedding, options.hidden, _sector(options), options.seed)


def _size(shape: Shape, options: HyperOptions) -> Size:
    sector = _sector(options)
    finite = all(support.kind == "finite" for support in shape.supports)
    if options.base != "sectors" or not finite or options.leaf != "auto":
        return size_of(_build(shape, options))
    size = sectors_size(shape, options, options.units, options.replicas, options.copies)
    fewest = options.units if options.copies else 1
    leaves = [max(fewest, support.states or 2) for support in shape.supports]
    per_tree = sum(-(-options.units * width // sector) for width in leaves)
    per_tree += shape.num_variables * -(-(options.units**2) // sector)
    sectors = options.replicas * per_tree
    return size._replace(parameters=_network_count(options, sectors, sector) + options.replicas)


STRUCTURE = Structure(
    name="hyperspn",
    title="HyperSPN",
    description="A random-tree circuit or an EiNet whose weights come from a small network: one "
    "short embedding for each block of weights. Fewer parameters, less overfitting.",
    options=HyperOptions,
    build=_build,
    size=_size,
)
