"""Figures of any size, for `pccore build`: they bring their variables along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pccore.errors import NotFoundError
from pccore.graph import Circuit
from pccore.options import option, parse_options, to_dict
from pccore.structures.base import Shape, Structure
from pccore.structures.figures.paper import figure3_mixture, figure3_parity


@dataclass(frozen=True)
class ParityOptions:
    """Options of both models of figure 3."""

    n: int = option(5, help="variables; the mixture at most 14", minimum=2, maximum=1000)
    form: str = option(
        "deep",
        help="deep: linear in n; mixture: one component for each even state",
        choices=("deep", "mixture"),
    )


def _parity(shape: Shape, options: ParityOptions) -> Circuit:
    return (figure3_parity if options.form == "deep" else figure3_mixture)(options.n)


def families() -> Mapping[str, Structure[Any]]:
    """Figures with options, by name. Not in `structures()`: the data have no say in them."""
    found = (
        Structure(
            name="parity",
            title="Parity (SPN paper, figure 3)",
            description="The uniform distribution over the states with an even number of ones, as "
            "a deep circuit or as a mixture; needs no data.",
            options=ParityOptions,
            build=_parity,
        ),
    )
    return MappingProxyType({one.name: one for one in found})


def build_family(name: str, options: Mapping[str, object] | None = None) -> Circuit:
    """The circuit of a family; texts are parsed. Raises NotFoundError, OptionError."""
    family = families().get(name)
    if family is None:
        raise NotFoundError(f"there is no family {name!r}; known are {', '.join(families())}")
    chosen = parse_options(family.options, options or {}, where=f"structure {name}")
    made = family.build(Shape.of(1), chosen)
    return made.with_meta({**made.meta, "structure": name, "options": to_dict(chosen)})
