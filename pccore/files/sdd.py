"""Sentential decision diagrams (.sdd) of libsdd and PySDD, for counting models.

Trimmed nodes are completed along the vtree, so that the circuit is smooth and structured; literals
weigh 1, and the partition function is the number of models over the variables of the vtree.
Darwiche 2011, "SDD: a new canonical representation of propositional knowledge bases".
"""

from __future__ import annotations

from dataclasses import dataclass

from pccore.errors import FileError
from pccore.files.base import Limits, Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.fold import Folder
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import count_is, each_line, integer, integers, shown, words_of
from pccore.files.importing.nodes import Nodes
from pccore.files.importing.vtree import Vtree, vtree_beside
from pccore.graph import Circuit

_MAX_ID = 2**62


@dataclass(frozen=True, slots=True)
class _Node:
    """A finished node and its place: a number in the vtree; -1 for true and false."""

    node: int
    place: int = -1


class _Reader:
    """Turns lines into nodes; with a vtree each node is smooth over the variables of its place."""

    def __init__(self, limits: Limits, tree: Vtree | None) -> None:
        self.limits = limits
        self.tree = tree
        self.nodes = Nodes(limits)
        self.true = self.nodes.add_product([])
        self.false = self.nodes.add_sum([])
        self.numbers: dict[int, _Node] = {}
        self.variables = 0
        self._lifted: dict[tuple[int, int], int] = {}
        self._all: dict[int, int] = {}

    def add(self, words: list[bytes]) -> None:
        """The node of one line. Raises FileError without a place."""
        kind = words[0]
        if kind == b"sdd":
            return
        if kind not in (b"F", b"T", b"L", b"D"):
            raise FileError(f"a line starts with sdd, F, T, L, D or c, not {shown(kind)}")
        if len(words) < 2:
            raise FileError("the line ends too early")
        own = integer(words[1], "the id", 0, _MAX_ID)
        if own in self.numbers:
            raise FileError(f"there are two nodes {own}")
        if kind in (b"F", b"T"):
            count_is(words, 2, "a constant")
            node = _Node(self.true if kind == b"T" else self.false)
        else:
            node = self._literal(words) if kind == b"L" else self._decision(words)
        self.numbers[own] = node

    def _place(self, word: bytes) -> int:
        """The number of a vtree node, 0 where there is no vtree."""
        place = integer(word, "the vtree node", 0, _MAX_ID)
        if self.tree is None:
            return 0
        if place not in self.tree.numbers:
            raise FileError(f"the vtree has no node {place}")
        return self.tree.numbers[place]

    def _literal(self, words: list[bytes]) -> _Node:
        count_is(words, 4, "a literal")
        place = self._place(words[2])
        literal = integer(words[3], "the literal", -self.limits.max_variables, 10**9)
        variable = abs(literal) - 1
        if not 0 <= variable < self.limits.max_variables:
            raise FileError(f"{literal} is no literal")
        if self.tree is not None and self.tree.variable[place] != variable:
            raise FileError(f"the vtree node is not that of variable {variable + 1}")
        self.variables = max(self.variables, variable + 1)
        return _Node(self.nodes.literal(variable, int(literal > 0)), place)

    def _decision(self, words: list[bytes]) -> _Node:
        if len(words) < 4:
            raise FileError("the line ends too early")
        place = self._place(words[2])
        count = integer(words[3], "the number of elements", 1, len(words))
        count_is(words, 4 + 2 * count, f"a decision over {count} elements")
        ids = integers(words[4:], "primes and subs")
        try:
            below = [self.numbers[own] for own in ids]
        except KeyError as missing:
            raise FileError(f"there is no earlier node {missing}") from None
        sides = (0, 0)
        if self.tree is not None:
            sides = (self.tree.left[place], self.tree.right[place])
            if sides[0] < 0:
                raise FileError("a decision stands at a leaf of the vtree")
        elements: list[int] = []
        for prime, sub in zip(below[::2], below[1::2], strict=True):
            if self.false in (prime.node, sub.node):
                continue
            pair = (self._lift(prime, sides[0]), self._lift(sub, sides[1]))
            elements.append(self.nodes.add_product(pair))
        return _Node(self.nodes.add_sum(elements) if elements else self.false, place)

    def _lift(self, below: _Node, place: int) -> int:
        """The node, smooth over all variables of a place at or above its own."""
        tree = self.tree
        if tree is None:
            return below.node
        if below.node == self.true:
            return self._all_below(place)
        key = (below.node, place)
        if key not in self._lifted:
            if tree.scope[below.place] & ~tree.scope[place]:
                raise FileError("a prime or sub is not below its side of the vtree")
            node, at = below.node, below.place
            while at != place:
                above = tree.parent[at]
                other = tree.right[above] if tree.left[above] == at else tree.left[above]
                node = self.nodes.add_product((node, self._all_below(other)))
                at = above
            self._lifted[key] = node
        return self._lifted[key]

    def _all_below(self, place: int) -> int:
        """The product over the variables of a place of the sum of their literals."""
        tree = self.tree
        assert tree is not None
        waiting = [place]
        while waiting:
            at = waiting[-1]
            sides = [side for side in (tree.left[at], tree.right[at]) if side >= 0]
            missing = [side for side in sides if side not in self._all]
            if at not in self._all and missing:
                waiting += missing
                continue
            waiting.pop()
            if at in self._all:
                continue
            if sides:
                self._all[at] = self.nodes.add_product([self._all[side] for side in sides])
            else:
                literals = [self.nodes.literal(tree.variable[at], state) for state in (0, 1)]
                self._all[at] = self.nodes.add_sum(literals)
        return self._all[place]

    def finish(self) -> int:
        """The root: the last line, over all variables."""
        if not self.numbers:
            raise FileError("there are no nodes")
        last = self.numbers[next(reversed(self.numbers))]
        if self.tree is None or last.node == self.false:
            return last.node
        return self._lift(last, len(self.tree.scope) - 1)


def load(source: Source) -> Circuit:
    """The smooth circuit of an SDD; variable v is column v - 1. Without a vtree beside it the
    variables are those that occur. Raises FileError with the line."""
    tree = vtree_beside(source)
    reader = _Reader(source.limits, tree)
    each_line(words_of(source), reader.add)
    root = reader.finish()
    variables = max(1, reader.variables if tree is None else tree.variables)
    folder = Folder(source.limits, idempotent=True, categories=2)
    nodes, top = folder.fold(reader.nodes, root, over=(1 << variables) - 1)
    return assemble(nodes, top, [f"X{v}" for v in range(variables)], {})


def recognises(start: bytes) -> bool:
    """Whether a header line is among the first ones."""
    return any(line.startswith(b"sdd ") for line in start.splitlines())


SDD = reading("sdd", "SDD", (".sdd",), load, recognises, (".vtree",))
