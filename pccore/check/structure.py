"""Smoothness, decomposability, consistency: group by group, on scopes."""

from __future__ import annotations

import numpy as np

from pccore.check.literals import UnitSets
from pccore.check.report import Findings, Witness
from pccore.check.walk import (
    child_positions,
    child_units,
    input_starts,
    listing,
    path_text,
    path_to,
)
from pccore.graph import Circuit, Group, ProductGroup, SparseEdges, SumGroup, Unit
from pccore.scope import Scope


def check_smooth(circuit: Circuit, live: list[bool], findings: Findings) -> None:
    """Every child of a sum has the sum's scope."""
    scopes = [scope.bits for scope in circuit.scopes]
    for position, group in enumerate(circuit.groups):
        if group.kind != "sum" or not live[position]:
            continue
        short = [scopes[i] != scopes[position] for i in group.inputs]
        if any(short):
            units = _units_using(circuit, group, np.array(short))
            for n, index in enumerate(units):
                if findings.full("smooth"):
                    findings.count("smooth", len(units) - n)
                    break
                findings.add(_smooth_witness(circuit, Unit(position, index)))


def _units_using(circuit: Circuit, group: SumGroup, marked: np.ndarray) -> list[int]:
    """Indices of the units with an edge into a marked input."""
    if not isinstance(group.edges, SparseEdges):
        return list(range(group.size))
    which = _which_input(circuit, group)
    hit = np.maximum.reduceat(marked[which].astype(np.int8), group.edges.offsets[:-1])
    return [int(k) for k in np.flatnonzero(hit)]


def _which_input(circuit: Circuit, group: Group) -> np.ndarray:
    """For each sparse edge the number of the input that it enters."""
    assert group.kind != "leaf" and isinstance(group.edges, SparseEdges)
    starts = input_starts(circuit, group)
    return np.searchsorted(starts, group.edges.children, side="right") - 1


def _smooth_witness(circuit: Circuit, unit: Unit) -> Witness:
    scope = circuit.scopes[unit.group]
    short = [c for c in child_units(circuit, unit) if circuit.scopes[c.group] != scope]
    missing = Scope()
    parts: dict[int, list[str]] = {}
    for child in short:
        lacks = scope - circuit.scopes[child.group]
        missing = missing | lacks
        parts.setdefault(lacks.bits, []).append(circuit.unit_name(child))
    texts = [
        f"{listing(names)} {'lack' if len(names) > 1 else 'lacks'} {_names(circuit, Scope(bits))}"
        for bits, names in parts.items()
    ]
    children = "child" if len(short) == 1 else "children"
    lacking = next(iter(missing))
    arrives = path_to(circuit, unit, lacking)[1:]
    forgets = next(c for c in short if lacking not in circuit.scopes[c.group])
    about = "which" if len(missing) == 1 else circuit.variables[lacking]
    message = (
        f"sum {circuit.unit_name(unit)} is not smooth (complete): "
        f"its {children} {listing(texts, 3)} ({about} arrives by {path_text(circuit, arrives)})"
    )
    paths = (tuple(arrives), (forgets,))
    return Witness("smooth", unit, tuple(short), tuple(missing), message, paths)


def _names(circuit: Circuit, scope: Scope) -> str:
    """One variable by its name, several in braces."""
    if len(scope) == 1:
        return circuit.variables[next(iter(scope))]
    return scope.pretty(circuit.variables)


def check_decomposable(circuit: Circuit, live: list[bool], findings: Findings) -> list[int]:
    """No variable is in two children of a product. Returns the groups with a violation."""
    scopes = [scope.bits for scope in circuit.scopes]
    broken: list[int] = []
    for position, group in enumerate(circuit.groups):
        if group.kind != "product" or not live[position]:
            continue
        units = _overlapping_units(circuit, group, scopes)
        for n, index in enumerate(units):
            if findings.full("decomposable"):
                findings.count("decomposable", len(units) - n)
                break
            findings.add(_overlap_witness(circuit, Unit(position, index)))
        if units:
            broken.append(position)
    return broken


def _overlapping_units(circuit: Circuit, group: ProductGroup, scopes: list[int]) -> list[int]:
    """Indices of the units two of whose children share a variable."""
    overlap = _overlap([scopes[i] for i in group.inputs])
    edges = group.edges
    if not isinstance(edges, SparseEdges):
        return list(range(group.size)) if overlap else []
    which = _which_input(circuit, group)
    if overlap:
        spans = zip(edges.offsets[:-1].tolist(), edges.offsets[1:].tolist(), strict=True)
        below = [scopes[i] for i in group.inputs]
        rows = [[below[w] for w in which[a:b].tolist()] for a, b in spans]
        return [k for k, row in enumerate(rows) if _overlap(row)]
    # Disjoint inputs: only two edges into one input can overlap.
    owner = np.repeat(np.arange(group.size), np.diff(edges.offsets))
    order = np.sort(owner * len(group.inputs) + which)
    twice = order[1:][order[1:] == order[:-1]]
    return np.unique(twice // len(group.inputs)).tolist()


def _overlap(scopes: list[int]) -> bool:
    seen = 0
    for bits in scopes:
        if seen & bits:
            return True
        seen |= bits
    return False


def _overlap_witness(circuit: Circuit, unit: Unit) -> Witness:
    """The first child that shares a variable with an earlier one."""
    first, second = _overlapping_pair(circuit, unit)
    shared = circuit.scopes[first.group] & circuit.scopes[second.group]
    variable = next(iter(shared))
    paths = tuple(tuple(path_to(circuit, c, variable)) for c in (first, second))
    one, two = (path_text(circuit, path) for path in paths)
    name = circuit.variables[variable]
    more = f" and {len(shared) - 1} more variables" if len(shared) > 2 else ""
    if len(shared) == 2:
        more = f" and {circuit.variables[list(shared)[1]]}"
    if first == second:
        both = f"it has the child {circuit.unit_name(first)} twice, which contains"
    else:
        names = (circuit.unit_name(first), circuit.unit_name(second))
        both = f"its children {names[0]} and {names[1]} both contain"
    about = f"{name} " if more else ""
    message = (
        f"product {circuit.unit_name(unit)} is not decomposable: {both} {name}{more} "
        f"({about}by {one} and by {two})"
    )
    return Witness("decomposable", unit, (first, second), tuple(shared), message, paths)


def _overlapping_pair(circuit: Circuit, unit: Unit) -> tuple[Unit, Unit]:
    """The first child that shares a variable with an earlier one, after that one."""
    children = child_units(circuit, unit)
    seen = 0
    for n, child in enumerate(children):
        bits = circuit.scopes[child.group].bits
        if seen & bits:
            return next(c for c in children[:n] if circuit.scopes[c.group].bits & bits), child
        seen |= bits
    raise AssertionError(f"no overlap below {circuit.unit_name(unit)}")


def check_consistent(
    circuit: Circuit, overlapping: list[int], sets: UnitSets, findings: Findings
) -> None:
    """No variable appears with different states in two children of a product.

    Poon & Domingos 2011, definition 4, for variables of any number of states; a leaf stands
    for all the states it gives positive probability. A shared variable that is not finite is
    inconsistent: two densities of one variable cannot agree on a state. `overlapping` are
    the product groups that are not decomposable; all others are consistent anyway.
    """
    fields: dict[int, int] = {}  # by the bits of a scope
    for position in overlapping:
        size = circuit.groups[position].size
        for index in range(size):
            if findings.full("consistent"):
                findings.count("consistent", size - index)
                break
            witness = _contradiction(circuit, Unit(position, index), sets, fields)
            if witness is not None:
                findings.add(witness)


def _contradiction(
    circuit: Circuit, unit: Unit, sets: UnitSets, fields: dict[int, int]
) -> Witness | None:
    """The first child that contradicts an earlier one; one pass over the children.

    As long as there is none, all children that share a variable have the same single state of it,
    so that the union of what was seen stands for each of them.
    """
    layout = sets.layout
    children = child_units(circuit, unit)
    seen = literals = 0
    for n, child in enumerate(children):
        bits, own = circuit.scopes[child.group].bits, sets.of(child)
        shared = seen & bits
        if shared:
            if shared not in fields:
                fields[shared] = layout.full(Scope(shared))
            mine = own & fields[shared]
            single = mine.bit_count() == shared.bit_count() and not shared & layout.endless
            if not single or literals & fields[shared] != mine:
                for earlier in children[:n]:
                    witness = _conflict(circuit, unit, earlier, child, sets)
                    if witness is not None:
                        return witness
        seen |= bits
        literals |= own
    return None


def _conflict(
    circuit: Circuit, unit: Unit, first: Unit, second: Unit, sets: UnitSets
) -> Witness | None:
    shared = circuit.scopes[first.group] & circuit.scopes[second.group]
    layout = sets.layout
    for variable in shared:
        one = layout.states(sets.of(first), variable)
        two = layout.states(sets.of(second), variable)
        if layout.finite[variable] and len(one) == 1 and one == two:
            continue
        name = circuit.variables[variable]
        paths = tuple(tuple(path_to(circuit, c, variable)) for c in (first, second))
        names = circuit.unit_name(first), circuit.unit_name(second)
        if layout.finite[variable]:
            states = f"with the states {_states_text(one)} and {_states_text(two)}"
            what = f"{name} appears in its children {names[0]} and {names[1]} {states}"
        else:
            what = (
                f"{name}, which is not finite, has densities in its children "
                f"{names[0]} and {names[1]}"
            )
        by = " and by ".join(path_text(circuit, path) for path in paths)
        message = f"product {circuit.unit_name(unit)} is not consistent: {what} (by {by})"
        return Witness("consistent", unit, (first, second), (variable,), message, paths)
    return None


def _states_text(states: list[int]) -> str:
    shown = ", ".join(str(s) for s in states[:6])
    return "{" + shown + (", ..." if len(states) > 6 else "") + "}"


def partitions(circuit: Circuit, live: list[bool]) -> dict[tuple[int, ...], Unit]:
    """The distinct ways in which products split their scope, each with a product that does.

    Keys are sorted tuples of scope bits, for decomposable circuits. Products with a single
    child do not split anything.
    """
    scopes = [scope.bits for scope in circuit.scopes]
    found: dict[tuple[int, ...], Unit] = {}
    for position, group in enumerate(circuit.groups):
        if group.kind != "product" or not live[position]:
            continue
        below = [scopes[i] for i in group.inputs]
        if not isinstance(group.edges, SparseEdges) or not _overlap(below):
            # Units of one group have one scope, so over disjoint inputs they split alike.
            key = tuple(sorted(below))
            if len(key) > 1:
                found.setdefault(key, Unit(position, 0))
            continue
        starts = input_starts(circuit, group)
        for index in range(group.size):
            unit = Unit(position, index)
            which = np.searchsorted(starts, child_positions(circuit, unit), side="right") - 1
            key = tuple(sorted(below[w] for w in which.tolist()))
            if len(key) > 1:
                found.setdefault(key, unit)
    return found
