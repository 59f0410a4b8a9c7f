"""Which unit of one circuit is which of another: by what they compute, then by their looks.

In this order, and always one to one: equal sub-circuits in equal places; equal sub-circuits; units
of one kind and scope with the same name; those with the most children in common; leaves with the
nearest parameters; last, units of one kind and name whose scope has changed. Names that a builder
made up (`s1`, `p2`) count only as a tie-break.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from pccore.queries.compare.sides import Side

#: Pairs that are scored in one bucket of kind and scope; beyond, units are taken in order.
PAIRS = 40_000
#: The least share of common children for a match by likeness alone.
LIKENESS = 0.2
_BONUS = 0.05  # for an equal automatic name


class Matching:
    """The pairs found so far, in both directions."""

    def __init__(self, first: Side, second: Side) -> None:
        self.first, self.second = first, second
        self.to: dict[int, int] = {}
        self.back: dict[int, int] = {}

    def join(self, i: int, j: int) -> None:
        """Make a pair of two free parts."""
        if i not in self.to and j not in self.back:
            self.to[i] = j
            self.back[j] = i

    def buckets(
        self, key: Callable[[Side, int], Hashable]
    ) -> Iterable[tuple[list[int], list[int]]]:
        """Free parts of both sides with equal keys (None: in no bucket), in the first's order."""
        other: defaultdict[Hashable, list[int]] = defaultdict(list)
        for j in range(len(self.second)):
            if j not in self.back:
                other[key(self.second, j)].append(j)
        mine: defaultdict[Hashable, list[int]] = defaultdict(list)
        for i in range(len(self.first)):
            if i not in self.to:
                mine[key(self.first, i)].append(i)
        return [(parts, other[k]) for k, parts in mine.items() if k is not None and k in other]


def match(first: Side, second: Side) -> Matching:
    """The alignment of two circuits; deterministic."""
    found = Matching(first, second)
    signatures = _signatures(first, second)
    _identical(found, _colours(first, second, signatures))
    known = [{side.name[i] for i in range(len(side))} for side in (first, second)]

    def signature(side: Side, i: int) -> Hashable:
        return signatures[0 if side is first else 1][i]

    def signed_name(side: Side, i: int) -> Hashable:
        return (signature(side, i), side.name[i])

    _zip(found, signed_name)
    for mine, other in found.buckets(signature):
        # A unit whose own name still exists on the other side waits for that.
        free = [i for i in mine if not (first.named[i] and first.name[i] in known[1])]
        rest = [j for j in other if not (second.named[j] and second.name[j] in known[0])]
        for i, j in zip(free, rest, strict=False):
            found.join(i, j)
    _zip(found, lambda s, i: (s.kind[i], s.scope[i], s.name[i]) if s.named[i] else None)
    _by_likeness(found)
    _zip(found, lambda s, i: (s.kind[i], s.scope[i], s.name[i]))
    _zip(found, lambda s, i: (s.kind[i], s.name[i]) if s.named[i] else None)
    _roots(found)
    return found


def _zip(found: Matching, key: Callable[[Side, int], Hashable]) -> None:
    """Pair free parts with equal keys in their order."""
    for mine, other in found.buckets(key):
        for i, j in zip(mine, other, strict=False):
            found.join(i, j)


def _signatures(first: Side, second: Side) -> tuple[list[int], list[int]]:
    """A number for each part, equal for equal sub-circuits (parameters included)."""
    numbers: dict[Hashable, int] = {}
    result: list[list[int]] = []
    for side in (first, second):
        mine: list[int] = []
        for i in range(len(side)):
            below = [mine[c] for c in side.children[i]]
            weights = side.weights[i]
            inner: Hashable
            if weights is not None:
                inner = tuple(sorted(zip(below, map(repr, weights), strict=True)))
            else:
                # A group multiplies or adds position by position: there the order counts.
                inner = tuple(sorted(below)) if side.by_unit else tuple(below)
            key = (side.kind[i], inner, side.numbers[i], side.digest[i])
            mine.append(numbers.setdefault(key, len(numbers)))
        result.append(mine)
    return result[0], result[1]


def _colours(
    first: Side, second: Side, signatures: tuple[list[int], list[int]]
) -> tuple[list[int], list[int]]:
    """Signatures told apart by what is above as well, so that twins are not mixed up.

    One pass down and one up of colour refinement (Weisfeiler and Leman, 1968).
    """
    above: dict[Hashable, int] = {}
    whole: dict[Hashable, int] = {}
    result: list[list[int]] = []
    for side, own in zip((first, second), signatures, strict=True):
        parents: list[list[tuple[int, str]]] = [[] for _ in own]
        down = [0] * len(own)
        roots = set(side.roots)
        for i in range(len(own) - 1, -1, -1):
            key = (own[i], i in roots, tuple(sorted(parents[i])))
            down[i] = above.setdefault(key, len(above))
            for child, label in _labelled(side, i):
                parents[child].append((down[i], label))
        up: list[int] = []
        for i in range(len(own)):
            below = sorted((up[child], label) for child, label in _labelled(side, i))
            up.append(whole.setdefault((down[i], tuple(below)), len(whole)))
        result.append(up)
    return result[0], result[1]


def _labelled(side: Side, i: int) -> list[tuple[int, str]]:
    """The children of a part, each with its weight or, in a group, its position."""
    weights = side.weights[i]
    if weights is not None:
        return list(zip(side.children[i], map(repr, weights), strict=True))
    if side.by_unit:
        return [(child, "") for child in side.children[i]]
    return [(child, str(position)) for position, child in enumerate(side.children[i])]


def _identical(found: Matching, colours: tuple[list[int], list[int]]) -> None:
    """Pair parts of equal colours from the roots down; the children of a pair go together."""
    first, second = found.first, found.second
    waiting: defaultdict[int, dict[int, None]] = defaultdict(dict)
    for j in range(len(second) - 1, -1, -1):
        waiting[colours[1][j]][j] = None
    by_name = {(colours[1][j], second.name[j]): j for j in range(len(second))}
    for top in range(len(first) - 1, -1, -1):
        if top in found.to or not (free := waiting[colours[0][top]]):
            continue
        same = by_name.get((colours[0][top], first.name[top]), -1)
        todo = [(top, same if same in free else next(iter(free)))]
        while todo:
            i, j = todo.pop()
            if i in found.to or j in found.back:
                continue
            found.join(i, j)
            del waiting[colours[1][j]][j]
            todo += _children_of(found, colours, i, j)


def _children_of(
    found: Matching, colours: tuple[list[int], list[int]], i: int, j: int
) -> list[tuple[int, int]]:
    """The free children of a pair of equal colour, side by side."""
    sides = (found.first, found.second)
    sorted_: list[list[int]] = []
    for which, part in ((0, i), (1, j)):
        side = sides[which]
        taken = found.to if which == 0 else found.back
        free = [
            (colours[which][child], label, side.name[child], child)
            for child, label in _labelled(side, part)
            if child not in taken
        ]
        sorted_.append([child for *_, child in sorted(free)])
    pairs = zip(*sorted_, strict=False)
    return [(a, b) for a, b in pairs if colours[0][a] == colours[1][b]]


def _by_likeness(found: Matching) -> None:
    """Pair free parts of one kind and scope, the most alike first; buckets from the leaves up."""
    first, second = found.first, found.second
    for mine, other in found.buckets(lambda side, i: (side.kind[i], side.scope[i])):
        if len(mine) * len(other) > PAIRS:
            for i, j in zip(mine, other, strict=False):
                found.join(i, j)
            continue
        scored: list[tuple[float, int, int]] = []
        for i in mine:
            for j in other:
                alike = _likeness(found, i, j)
                if alike >= LIKENESS:
                    bonus = _BONUS if first.name[i] == second.name[j] else 0.0
                    scored.append((-alike - bonus, i, j))
        for _, i, j in sorted(scored):
            found.join(i, j)


def _likeness(found: Matching, i: int, j: int) -> float:
    """From 0 to 1: common children of inner parts, nearness of the numbers of leaves."""
    first, second = found.first, found.second
    if not first.children[i] and not second.children[j]:
        a, b = first.numbers[i], second.numbers[j]
        if len(a) != len(b) or not a:
            return LIKENESS
        return LIKENESS + (1 - LIKENESS) * math.exp(-(math.dist(a, b) ** 2))
    mine = {found.to.get(c, -1 - c) for c in first.children[i]}
    other = set(second.children[j])
    return len(mine & other) / max(1, len(mine | other))


def _roots(found: Matching) -> None:
    """Roots of one kind belong together, whatever is below them."""
    for i, j in zip(found.first.roots, found.second.roots, strict=False):
        if found.first.kind[i] == found.second.kind[j]:
            found.join(i, j)
