"""Hidden variables of whole groups, made variables of the circuit.

A group of K units over a scope is the set of distributions p(x_scope | Z = k) of a hidden variable
Z; `pccore.transform.augment_groups` multiplies unit k by the indicator [Z = k], which gives p(x, z)
with the same parameters by the same ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.indicator import Indicator
from pccore.transform import augment_groups

#: Key of `Circuit.meta` under which structures name the groups behind which hidden variables are.
HIDDEN = "latents"


def hidden_groups(circuit: Circuit, names: Sequence[str] | None = None) -> list[int]:
    """Positions of the groups of these names, or of those that the structure has noted.

    Raises NotFoundError for a name that no group has, OptionError where nothing is noted.
    """
    if names is None:
        noted = circuit.meta.get(HIDDEN)
        if not isinstance(noted, list) or not noted:
            raise OptionError(
                "the circuit does not say which of its groups have a hidden variable",
                hint="name them, or build a hidden tree, hmm or patches",
            )
        names = [str(name) for name in noted]
    places = {group.name: position for position, group in enumerate(circuit.groups)}
    for name in names:
        if name not in places:
            raise NotFoundError(f"the circuit has no group {name!r}")
    return [places[name] for name in names]


def variables_of(circuit: Circuit, groups: Sequence[int]) -> list[str]:
    """A name for the hidden variable of each group, different from all variables."""
    made = [f"Z({circuit.groups[g].name})" for g in groups]
    taken = set(circuit.variables)
    while taken & set(made):
        made = [f"{name}'" for name in made]
    return made


def with_states(circuit: Circuit, groups: Sequence[int]) -> Circuit:
    """The circuit of p(x, z): one more variable for each of the groups, after the old ones.

    Raises OptionError for a group of one unit, or where a hidden variable would be missing in some
    branch of a sum, or twice in a product: its group is then no set of states.
    """
    names = variables_of(circuit, groups)
    chosen = {name: [g] for name, g in zip(names, groups, strict=True)}
    result = augment_groups(circuit, chosen, "refuse")
    broken = check(result, ("smooth", "decomposable")).violations
    if broken:
        raise OptionError(
            f"the groups are no hidden variables of this circuit: {broken[0].message}",
            hint="choose groups one unit of which is in every induced tree",
        )
    return result.with_meta({k: v for k, v in circuit.meta.items() if k in ("title", "structure")})


def deterministic(augmented: Circuit) -> bool:
    """Whether every sum is known to have one possible child once all variables are given, so that
    one full-batch EM update is the maximum likelihood in closed form."""
    apart: list[bool] = []  # whether no two units of the group are possible together
    for group in augmented.groups:
        if isinstance(group, LeafGroup):
            distinct = isinstance(group.family, Indicator)
            stored = augmented.params[group.parameter]
            apart.append(distinct and len(torch.unique(stored[0])) == group.size)
        elif isinstance(group, SumGroup):
            if not (group.edges == "dense" and len(group.inputs) == 1 and apart[group.inputs[0]]):
                return False
            apart.append(False)
        else:
            apart.append(group.edges == "hadamard" and any(apart[i] for i in group.inputs))
    return True


def below(circuit: Circuit, groups: Sequence[int]) -> set[str]:
    """Ids of the parameters of these groups and of all that is under them: of p(x | z)."""
    seen: set[int] = set()
    waiting = list(groups)
    while waiting:
        position = waiting.pop()
        if position not in seen:
            seen.add(position)
            waiting.extend(circuit.groups[position].inputs)
    found: set[str] = set()
    for position in seen:
        group = circuit.groups[position]
        if not isinstance(group, ProductGroup):
            found.add(group.parameter)
    return found
