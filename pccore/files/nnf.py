"""Decomposable negation normal form (.nnf) of c2d, dsharp and d4, for counting models.

The circuit is made smooth over all variables of the formula, and its literals weigh 1 or what the
formula says: the partition function is the (weighted) number of models. Darwiche 2002, "A compiler
for deterministic, decomposable negation normal form".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from pccore.errors import FileError
from pccore.files.base import Limits, Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.cnf import SUFFIXES, formula_beside
from pccore.files.importing.fold import Folder
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import count_is, each_line, integer, integers, shown, words_of
from pccore.files.importing.nodes import Nodes
from pccore.files.importing.order import children_first
from pccore.graph import Circuit

_MAX_ID = 2**40


class _C2d:
    """Nodes in the order of their lines: L, A and O. Also what dsharp and d4 version 1 write."""

    def __init__(self, limits: Limits) -> None:
        self.nodes = Nodes(limits)
        self.limits = limits
        self.numbers: list[int] = []
        self.variables = 0
        self.declared = 0

    def add(self, words: list[bytes]) -> None:
        """The node of one line. Raises FileError without a place."""
        kind = words[0]
        if kind == b"nnf":
            count_is(words, 4, "the header")
            self.declared = integer(words[3], "the number", 0, self.limits.max_variables)
        elif kind == b"L":
            count_is(words, 2, "a literal")
            self.numbers.append(self._literal(words[1]))
        elif kind in (b"A", b"O"):
            skip = 1 if kind == b"A" else 2
            if len(words) < skip + 1:
                raise FileError("the line ends too early")
            count = integer(words[skip], "the number of children", 0, len(words))
            count_is(words, skip + 1 + count, f"a node over {count} children")
            children = self._children(words[skip + 1 :])
            add = self.nodes.add_product if kind == b"A" else self.nodes.add_sum
            self.numbers.append(add(children))
        else:
            raise FileError(f"a line starts with nnf, L, A, O or c, not {shown(kind)}")

    def _literal(self, word: bytes) -> int:
        largest = self.declared or self.limits.max_variables
        value = integer(word, "the literal", -largest, largest)
        if not value:
            raise FileError("variables start at 1")
        self.variables = max(self.variables, abs(value))
        return self.nodes.literal(abs(value) - 1, int(value > 0))

    def _children(self, words: Sequence[bytes]) -> list[int]:
        children = integers(words, "children")
        for child in children:
            if not 0 <= child < len(self.numbers):
                raise FileError(f"there is no earlier node {child}")
        return [self.numbers[child] for child in children]

    def finish(self) -> int:
        """The root."""
        if not self.numbers:
            raise FileError("there are no nodes")
        self.variables = max(self.variables, self.declared)
        return self.numbers[-1]


class _D4:
    """Nodes by id (o, a, t, f) and edges with literals, in any order; node 1 is the root."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.nodes = Nodes(limits)
        self.kinds: dict[int, bytes] = {}
        self.edges: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        self.variables = 0
        self._room = limits.max_text_size

    def add(self, words: list[bytes]) -> None:
        """A node or an edge. Raises FileError without a place."""
        self._room -= max(1, len(words) - 2)  # an edge and its literals
        if self._room < 0:
            raise FileError(
                f"more than {self.limits.max_text_size} edges and literals are not supported",
                hint=self.limits.way_out("max_text_size"),
            )
        if words[-1] != b"0":
            raise FileError("the line does not end in 0")
        if words[0] in (b"o", b"a", b"t", b"f"):
            count_is(words, 3, "a node")
            node = integer(words[1], "the id", 1, _MAX_ID)
            if node in self.kinds:
                raise FileError(f"there are two nodes {node}")
            self.kinds[node] = words[0]
            return
        if len(words) < 3:
            raise FileError("the line ends too early")
        start, end = int(words[0]), int(words[1])
        if not (0 < start <= _MAX_ID and 0 < end <= _MAX_ID):
            raise FileError(f"an id is an integer from 1 to {_MAX_ID}")
        literals = tuple(integers(words[2:-1], "literals")) if len(words) > 3 else ()
        for literal in literals:
            if not 0 < abs(literal) <= self.limits.max_variables:
                raise FileError(f"{literal} is no literal")
            self.variables = max(self.variables, abs(literal))
        self.edges.setdefault(start, []).append((end, literals))

    def finish(self) -> int:
        """Build the nodes below the root, and return it."""
        for start, edges in self.edges.items():
            for node in (start, *(end for end, _ in edges)):
                if node not in self.kinds:
                    raise FileError(f"an edge leaves node {start}, but there is no node {node}")
        if 1 not in self.kinds:
            raise FileError("there is no node 1, the root")
        numbers: dict[int, int] = {}
        below: Mapping[int, list[int]] = {
            node: [end for end, _ in edges] for node, edges in self.edges.items()
        }
        for node in children_first(1, below):
            children = [
                self._edge(numbers[end], literals) for end, literals in self.edges.get(node, [])
            ]
            conjunction = self.kinds[node] in (b"a", b"t")
            add = self.nodes.add_product if conjunction else self.nodes.add_sum
            numbers[node] = add(children)
        return numbers[1]

    def _edge(self, child: int, literals: tuple[int, ...]) -> int:
        if not literals:
            return child
        leaves = [self.nodes.literal(abs(value) - 1, int(value > 0)) for value in literals]
        return self.nodes.add_product([*leaves, child])


def load(source: Source) -> Circuit:
    """The smooth circuit of a d-DNNF over all variables that its header, or the formula beside it
    (.cnf, .dimacs), declares; variable v is column v - 1. Raises FileError with the line."""
    lines = words_of(source)
    first = next(lines, None)
    if first is None:
        raise FileError("there are no nodes")
    reader = _C2d(source.limits) if first[1][0] == b"nnf" else _D4(source.limits)
    each_line(itertools.chain([first], lines), reader.add)
    root = reader.finish()
    formula = formula_beside(source)
    variables = max(reader.variables, 1 if formula is None else formula.variables)
    folder = Folder(source.limits, idempotent=True, categories=2)
    if formula is not None:
        folder.weigh(formula.log_weights)
    nodes, top = folder.fold(reader.nodes, root, over=(1 << variables) - 1)
    return assemble(nodes, top, [f"X{v}" for v in range(variables)], {})


def recognises(start: bytes) -> bool:
    """Whether a header of c2d or a node of d4 is among the first lines."""
    return re.search(rb"^(nnf [0-9]+ |[oatf] [0-9]+ 0 *$)", start, re.MULTILINE) is not None


NNF = reading("nnf", "d-DNNF (c2d, d4)", (".nnf", ".ddnnf"), load, recognises, SUFFIXES)
