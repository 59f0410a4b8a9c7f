"""The hidden variables that a structure has noted, and the circuit of p(x, z) with them.

A group of K units over a scope is the set of distributions p(x_scope | Z = k) of a hidden variable
Z; `augment_groups` multiplies unit k by the indicator [Z = k], which gives p(x, z) with the same
parameters by the same ids (Liu, Zhang and Van den Broeck 2023, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit
from pccore.transform.augment import Absent, augment_groups

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


def hidden_names(circuit: Circuit, groups: Sequence[int]) -> list[str]:
    """A name for the hidden variable of each group, different from all variables."""
    made = [f"Z({circuit.groups[g].name})" for g in groups]
    taken = set(circuit.variables)
    while taken & set(made):
        made = [f"{name}'" for name in made]
    return made


def with_states(circuit: Circuit, groups: Sequence[int], absent: Absent = "refuse") -> Circuit:
    """The circuit of p(x, z): one more variable for each of the groups, after the old ones.

    absent: what a variable says in branches that have no unit of its group, see `augment_groups`;
    with "state" it has one state more than the group has units.

    Raises OptionError for a group of one unit, or where a hidden variable would be missing in some
    branch of a sum (with "refuse"), or twice in a product: its group is then no set of states.
    """
    names = hidden_names(circuit, groups)
    chosen = {name: [g] for name, g in zip(names, groups, strict=True)}
    result = augment_groups(circuit, chosen, absent)
    broken = check(result, ("smooth", "decomposable")).violations
    if broken:
        raise OptionError(
            f"the groups are no hidden variables of this circuit: {broken[0].message}",
            hint="choose groups one unit of which is in every induced tree",
        )
    return result.with_meta({k: v for k, v in circuit.meta.items() if k in ("title", "structure")})
