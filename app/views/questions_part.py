"""The part of a circuit that questions are about: all of it, or a sub-circuit of a few units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pccore.check.walk import child_units
from pccore.errors import OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup, Unit

#: A part that can be answered by hand has at most so many units, edges and variables.
UNITS, EDGES, VARIABLES = 40, 110, 12
#: Units that are tried as the top of a sub-circuit of a larger one.
_TRIED = 400


@dataclass(frozen=True, eq=False)
class Part:
    """A small circuit, one unit a group.

    below: the unit of the larger circuit that is its root, "" where it is all of it.
    """

    circuit: Circuit
    below: str = ""


def part_of(circuit: Circuit, seed: int = 0) -> Part:
    """The circuit itself where it is small, else one of its larger small sub-circuits.

    The same seed gives the same part. Raises OptionError where every sum and product has too much
    below it, ParameterError for illegal parameters.
    """
    units = below(circuit, circuit.root)
    if units is not None:
        return Part(_cut(circuit, circuit.root, units, circuit.variables))
    rng = np.random.default_rng([seed, 1])
    inner = [g for g, group in enumerate(circuit.groups) if group.kind != "leaf"]
    tried = rng.permutation(inner)[:_TRIED].tolist()
    found: list[tuple[int, Unit, list[Unit]]] = []
    for position in tried:
        unit = Unit(position, int(rng.integers(circuit.groups[position].size)))
        units = below(circuit, unit)
        if units is not None:
            found.append((len(units), unit, units))
    if not found:
        raise OptionError(
            "every sum and product of this circuit has more below it than can be answered by hand",
            hint="choose a smaller circuit in the Gallery, or draw one on the page Build",
        )
    # Among the larger ones, so that another seed can give another part.
    found.sort(key=lambda one: (-one[0], one[1]))
    best = [one for one in found if one[0] >= 0.7 * found[0][0]]
    _, top, units = best[int(rng.integers(len(best)))]
    return Part(_cut(circuit, top, units, None), circuit.unit_name(top))


def below(circuit: Circuit, top: Unit) -> list[Unit] | None:
    """A unit and all below it, children first; None where they are too many for a part."""
    seen = {top}
    stack = [top]
    edges = 0
    while stack:
        unit = stack.pop()
        # Counted before it is expanded: one unit may have a million children.
        edges += _fan(circuit, unit)
        if edges > EDGES:
            return None
        fresh = [c for c in dict.fromkeys(child_units(circuit, unit)) if c not in seen]
        seen.update(fresh)
        stack += fresh
        if len(seen) > UNITS:
            return None
    if len(circuit.scopes[top.group]) > VARIABLES:
        return None
    return sorted(seen)


def _fan(circuit: Circuit, unit: Unit) -> int:
    group = circuit.groups[unit.group]
    if group.kind == "leaf":
        return 0
    if group.edges == "dense":
        return sum(circuit.groups[i].size for i in group.inputs)
    if group.edges in ("elementwise", "hadamard", "kronecker"):
        return len(group.inputs)
    return int(group.edges.offsets[unit.index + 1] - group.edges.offsets[unit.index])


def _cut(
    circuit: Circuit, top: Unit, units: list[Unit], variables: tuple[str, ...] | None
) -> Circuit:
    """The sub-circuit of the given units, each in a group of its own under its name.

    variables: those of the result; None for the ones in the scope of `top`.
    """
    scope = list(circuit.scopes[top.group])
    columns = {v: v if variables is not None else scope.index(v) for v in scope}
    place = {unit: number for number, unit in enumerate(units)}
    groups: list[Group] = []
    params: dict[str, Tensor] = {}
    for unit in units:
        group, name = circuit.groups[unit.group], circuit.unit_name(unit)
        if isinstance(group, LeafGroup):
            tensor = circuit.params[group.parameter].detach().cpu().double()
            own = tuple(columns[v] for v in group.variables)
            groups.append(LeafGroup(name, 1, group.family, own, name))
            params[name] = tensor[:, unit.index : unit.index + 1].clone()
            continue
        edges = circuit.children(unit)
        inputs = tuple(place[edge.child] for edge in edges)
        if isinstance(group, SumGroup):
            groups.append(SumGroup(name, 1, inputs, name))
            weights = [edge.weight for edge in edges]
            params[name] = torch.tensor([weights], dtype=torch.float64)
        else:
            groups.append(ProductGroup(name, 1, inputs))
    names = variables or tuple(circuit.variables[v] for v in scope)
    result = Circuit(groups, [(place[top], 0)], names, params, circuit.meta)
    result.validate_params()
    return result
