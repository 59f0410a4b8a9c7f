"""Take over a circuit that was changed in the text: units that are still there keep their place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType

from pccore.draft.document import Draft
from pccore.draft.nodes import Arc, Node, free_name
from pccore.draft.order import below
from pccore.draft.places import ACROSS, DOWN, tidy
from pccore.graph import Circuit

#: Names that parsers and builders give by themselves.
_MADE_UP = re.compile(r"[spx]\d+")


def adopt(draft: Draft, circuit: Circuit, *, whole: bool = True) -> tuple[Draft, frozenset[str]]:
    """The draft of `circuit`, with ids, places and names of `draft` where units correspond.

    Units correspond that are equal from here down, else those with the same children, else those
    with the same name. Unfinished nodes of the drawing are kept. whole: the circuit is all of the
    finished part; otherwise (builder code) it lacks what no root reaches, and that is kept, too.

    Returns the new draft and the ids of the nodes that have no place of their own yet (they stand
    near their children). Raises as `Draft.of`.
    """
    new = Draft.unplaced(circuit)
    partner = _match(draft, new)
    hidden = _hidden(draft, whole) - set(partner.values())
    ids = _new_ids(draft, new, partner)
    names = {draft.nodes[n].name for n in hidden}
    made: dict[str, Node] = {}
    for n in new.topological:
        node = new.nodes[n]
        arcs = tuple(Arc(ids[arc.child], arc.weight) for arc in node.arcs)
        old = draft.nodes[partner[n]] if n in partner else None
        made[ids[n]] = dataclasses.replace(old or node, id=ids[n], arcs=arcs, leaf=node.leaf)
    for n, name in _names(draft, new, partner, names).items():
        made[ids[n]] = dataclasses.replace(made[ids[n]], name=name)
    fresh = frozenset(ids[n] for n in new.nodes if n not in partner)
    order = [n for n in draft.nodes if n in made or n in hidden]
    order += [ids[n] for n in new.nodes if ids[n] in fresh]
    nodes = {n: made.get(n) or draft.nodes[n] for n in order}
    # A kept node may have had a child that is gone.
    for n in hidden - made.keys():
        arcs = tuple(arc for arc in nodes[n].arcs if arc.child in nodes)
        nodes[n] = dataclasses.replace(nodes[n], arcs=arcs)
    kept = {leaf.variable for n in hidden if (leaf := nodes[n].leaf) is not None}
    variables = (*circuit.variables, *(v for v in draft.variables if v in kept))
    result = Draft(
        MappingProxyType(_placed(nodes, fresh)),
        tuple(ids[root] for root in new.roots),
        tuple(dict.fromkeys(variables)),
        {**draft.meta, **circuit.meta},
    )
    return result, fresh


def _hidden(draft: Draft, whole: bool) -> frozenset[str]:
    """The nodes that a text of the draft does not mention."""
    if whole or not draft.effective_roots:
        return frozenset(draft.unfinished)
    shown = below(draft.nodes, draft.effective_roots)
    return frozenset(n for n in draft.nodes if n not in shown or n in draft.unfinished)


def _match(old: Draft, new: Draft) -> dict[str, str]:
    """New id -> old id for the nodes that correspond."""
    partner: dict[str, str] = {}
    taken = set[str]()

    def weighted(draft: Draft, n: str, same: Callable[[str], Hashable]) -> Hashable:
        node = draft.nodes[n]
        return (node.kind, node.leaf, tuple((same(a.child), a.weight) for a in node.arcs))

    def shaped(draft: Draft, n: str, same: Callable[[str], Hashable]) -> Hashable:
        node = draft.nodes[n]
        if node.leaf is not None:
            return (node.leaf.variable, node.leaf.family.name, node.name)
        return (node.kind, tuple(same(a.child) for a in node.arcs))

    def named(draft: Draft, n: str, same: Callable[[str], Hashable]) -> Hashable:
        return (draft.nodes[n].kind, draft.nodes[n].name)

    for key in (weighted, shaped, named):
        free: dict[Hashable, list[str]] = {}
        for n in old.topological:
            if n not in taken:
                free.setdefault(key(old, n, lambda child: child), []).append(n)
        for n in new.topological:
            if n in partner:
                continue
            candidates = free.get(key(new, n, lambda child: partner.get(child, ("new", child))))
            if not candidates:
                continue
            name = new.nodes[n].name
            best = next((c for c in candidates if old.nodes[c].name == name), candidates[0])
            candidates.remove(best)
            partner[n] = best
            taken.add(best)
    return partner


def _new_ids(old: Draft, new: Draft, partner: Mapping[str, str]) -> dict[str, str]:
    """The id of each node of `new` in the merged draft."""
    ids: dict[str, str] = {}
    number = 0
    for n in new.nodes:
        if n in partner:
            ids[n] = partner[n]
            continue
        while f"u{number}" in old.nodes:
            number += 1
        ids[n] = f"u{number}"
        number += 1
    return ids


def _names(old: Draft, new: Draft, partner: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """Names that somebody chose in the text come first, then the old ones, then made-up ones."""
    names: dict[str, str] = {}
    used = set(taken)
    wishes: list[tuple[int, str, str]] = []
    for n, node in new.nodes.items():
        chosen = not _MADE_UP.fullmatch(node.name) and node.leaf is None
        if n in partner and node.name.rstrip("'") == old.nodes[partner[n]].name:
            chosen = False  # the text avoids a clash with a variable
        if chosen:
            wishes.append((0, n, node.name))
        elif n in partner:
            wishes.append((1, n, old.nodes[partner[n]].name))
        else:
            wishes.append((2, n, node.name))
    for _, n, wish in sorted(wishes, key=lambda one: one[0]):
        names[n] = free_name(wish, used)
        used.add(names[n])
    return names


def _placed(nodes: dict[str, Node], fresh: frozenset[str]) -> dict[str, Node]:
    """Places for the fresh nodes: above their children or below a parent.

    Where most are fresh there is no picture left to keep: all are laid out anew.
    """
    if not fresh:
        return nodes
    if 2 * len(fresh) > len(nodes):
        return tidy(nodes)
    places = {n: (node.x, node.y) for n, node in nodes.items() if n not in fresh}
    parents: dict[str, list[str]] = {}
    for node in nodes.values():
        for arc in node.arcs:
            parents.setdefault(arc.child, []).append(node.id)
    lowest = max((y for _, y in places.values()), default=0.0)
    taken = _Taken(places.values())
    for n, node in nodes.items():
        if n not in fresh:
            continue
        children = [places[arc.child] for arc in node.arcs if arc.child in places]
        above = [places[p] for p in parents.get(n, ()) if p in places]
        if children:
            x, y = sum(c[0] for c in children) / len(children), min(c[1] for c in children) - DOWN
        elif above:
            x, y = sum(p[0] for p in above) / len(above), max(p[1] for p in above) + DOWN
        else:
            x, y = 0.0, lowest + DOWN
        while taken.near(x, y):
            x += ACROSS / 2
        taken.add(x, y)
        places[n] = (x, y)
    return {
        n: dataclasses.replace(node, x=places[n][0], y=places[n][1]) if n in fresh else node
        for n, node in nodes.items()
    }


class _Taken:
    """The places where units stand, in cells, to find out quickly whether one is near."""

    def __init__(self, places: Iterable[tuple[float, float]]) -> None:
        self.cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for x, y in places:
            self.add(x, y)

    def add(self, x: float, y: float) -> None:
        self.cells.setdefault((round(x / ACROSS), round(y / DOWN)), []).append((x, y))

    def near(self, x: float, y: float) -> bool:
        column, row = round(x / ACROSS), round(y / DOWN)
        return any(
            abs(other[0] - x) < 0.8 * ACROSS and abs(other[1] - y) < 0.5 * DOWN
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            for other in self.cells.get((column + i, row + j), ())
        )
