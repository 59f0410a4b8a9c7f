"""Walking over the structure alone: children, descendants, paths. Parameters may be broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pccore.graph import Circuit, Group, IntArray, SparseEdges, Unit


def input_starts(circuit: Circuit, group: Group) -> IntArray:
    """Where each input begins in the concatenation of the input groups' units, plus the end."""
    sizes = [circuit.groups[i].size for i in group.inputs]
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def child_positions(circuit: Circuit, unit: Unit) -> IntArray:
    """The children of one unit as positions in the concatenation of its group's inputs."""
    group = circuit.groups[unit.group]
    if group.kind == "leaf":
        return np.zeros(0, dtype=np.int64)
    if isinstance(group.edges, SparseEdges):
        return group.edges.row(unit.index)
    starts = input_starts(circuit, group)
    if group.edges == "dense":
        return np.arange(starts[-1])
    if group.edges == "kronecker":
        sizes = np.diff(starts).tolist()
        return starts[:-1] + np.array(np.unravel_index(unit.index, sizes))
    return starts[:-1] + unit.index


def child_units(circuit: Circuit, unit: Unit) -> list[Unit]:
    """The children of one unit, in the order of its edges."""
    group = circuit.groups[unit.group]
    starts = input_starts(circuit, group)
    positions = child_positions(circuit, unit)
    which = np.searchsorted(starts, positions, side="right") - 1
    first = starts[which]
    return [
        Unit(group.inputs[w], p - s)
        for w, p, s in zip(which.tolist(), positions.tolist(), first.tolist(), strict=True)
    ]


def live_groups(circuit: Circuit) -> list[bool]:
    """For each group whether some root depends on it."""
    return _below(circuit, (root.group for root in circuit.roots))


def descendants(circuit: Circuit, position: int) -> list[int]:
    """The group and all groups below it, ascending (children first)."""
    seen = {position}
    stack = [position]
    while stack:
        for i in circuit.groups[stack.pop()].inputs:
            if i not in seen:
                seen.add(i)
                stack.append(i)
    return sorted(seen)


def _below(circuit: Circuit, tops: Iterable[int]) -> list[bool]:
    marked = [False] * len(circuit.groups)
    for top in tops:
        marked[top] = True
    for position in range(len(marked) - 1, -1, -1):
        if marked[position]:
            for i in circuit.groups[position].inputs:
                marked[i] = True
    return marked


def path_to(circuit: Circuit, unit: Unit, variable: int) -> list[Unit]:
    """A path from the unit down to a leaf over the variable, both ends included."""
    path = [unit]
    while (group := circuit.groups[path[-1].group]).kind != "leaf":
        # By input groups: a dense sum may have very many children.
        has = np.array([variable in circuit.scopes[i] for i in group.inputs])
        starts = input_starts(circuit, group)
        positions = child_positions(circuit, path[-1])
        which = np.searchsorted(starts, positions, side="right") - 1
        first = int(np.argmax(has[which]))
        child = int(which[first])
        path.append(Unit(group.inputs[child], int(positions[first] - starts[child])))
    return path


def path_text(circuit: Circuit, path: Sequence[Unit]) -> str:
    """`s3 → p1 → x4`; the middle of a long path is left out."""
    names = [circuit.unit_name(unit) for unit in path]
    if len(names) > 6:
        names = [*names[:3], "…", *names[-2:]]
    return " → ".join(names)


def listing(names: Sequence[str], limit: int = 4) -> str:
    """`a, b and c`, or `a, b, c, d and 7 more`."""
    if len(names) > limit:
        return ", ".join(names[:limit]) + f" and {len(names) - limit} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
