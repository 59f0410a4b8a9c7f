"""Sum-product networks of Libra's ID-SPN: a folder NAME.spn with spac.m and an arithmetic circuit
spac-K.ac for each leaf K.

spac.m begins with `spac` and the number of nodes. A node is a line `n ID KIND PARENT`, KIND being
+, *, ac or null (nothing any more); then come a line of its children (+ and *), one of log-weights
(+) and one of the columns of its variables: column i of a leaf's circuit is the i-th of these.
Node 0 is the root. A leaf is its circuit divided by its partition function.

Source: Rooshenas and Lowd 2014, "Learning sum-product networks with direct and indirect variable
interactions".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from pccore.errors import FileError
from pccore.files.arithmetic import read_nodes
from pccore.files.base import Limits, Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import (
    at_line,
    count_is,
    integer,
    integers,
    log_weights,
    shown,
    source_of,
    words_of,
)
from pccore.files.importing.nodes import LEAF, PRODUCT, Nodes
from pccore.files.importing.order import children_first
from pccore.graph import Circuit

_MAX_ID = 2**31
_LEAF, _PRODUCT, _SUM, _NONE = b"ac", b"*", b"+", b"null"


@dataclass(slots=True)
class _Node:
    """What spac.m says of a node."""

    kind: bytes
    children: list[int] = field(default_factory=list[int])
    log_weights: list[float] = field(default_factory=list[float])
    columns: list[int] = field(default_factory=list[int])


def _structure(source: Source) -> dict[int, _Node]:
    lines = words_of(source, comment=None)
    number, words = next(lines, (1, []))
    if words != [b"spac"]:
        raise FileError("the first line is not: spac", where=f"line {number}")
    next(lines, None)  # the number of nodes
    found: dict[int, _Node] = {}
    for number, words in lines:
        with at_line(number):
            if words[0] != b"n":
                raise FileError(f"a node begins with n, not {shown(words[0])}")
            count_is(words, 4, "a node")
            own = integer(words[1], "the id", 0, _MAX_ID)
            if own in found:
                raise FileError(f"there are two nodes {own}")
            node = found[own] = _Node(words[2])
            if node.kind not in (_LEAF, _PRODUCT, _SUM, _NONE):
                raise FileError(f"a node is +, *, ac or null, not {shown(words[2])}")
        if node.kind != _NONE:
            _read(node, lines, source.limits)
    return found


def _read(node: _Node, lines: Iterator[tuple[int, list[bytes]]], limits: Limits) -> None:
    """The lines that belong to a node."""
    if node.kind in (_SUM, _PRODUCT):
        number, words = _next(lines)
        with at_line(number):
            node.children = integers(words, "children")
    if node.kind == _SUM:
        number, words = _next(lines)
        with at_line(number):
            node.log_weights = log_weights(words)
            if len(words) != len(node.children):
                raise FileError(f"{len(node.children)} children have {len(words)} weights")
    number, words = _next(lines)
    with at_line(number):
        most = limits.max_variables - 1
        node.columns = [integer(word, "a variable", 0, most) for word in words]


def _next(lines: Iterator[tuple[int, list[bytes]]]) -> tuple[int, list[bytes]]:
    found = next(lines, None)
    if found is None:
        raise FileError("the file ends too early")
    return found


class _Joined:
    """The circuits of all leaves in one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes = Nodes(source.limits)

    def leaf(self, own: int, columns: list[int]) -> int:
        """The circuit of a leaf, divided by its partition function. Raises FileError."""
        companion = self.source.beside((f"-{own}.ac",))
        if companion is None:
            raise FileError(
                f"there is no spac-{own}.ac for the leaf {own}",
                hint="all files of the folder belong together",
            )
        try:
            part, root, cards = read_nodes(source_of(companion, self.source.limits))
            if len(cards) != len(columns) or len(set(columns)) != len(columns):
                raise FileError(f"{len(cards)} variables are not the {len(columns)} of the leaf")
        except FileError as error:
            where = f"{companion.name}, {error.where}" if error.where else companion.name
            raise FileError(error.message, where=where, hint=error.hint) from None
        log_z = _log_partition(part, root)
        if not math.isfinite(log_z):
            raise FileError("the circuit is 0 everywhere", where=companion.name)
        numbers = [0] * len(part)
        for node, kind in enumerate(part.kinds):
            edges = slice(part.offsets[node], part.offsets[node + 1])
            below = [numbers[child] for child in part.children[edges]]
            if kind == LEAF:
                leaf = part.leaf[node]
                family = part.families[part.leaf_family[leaf]]
                column = columns[part.leaf_variable[leaf]]
                numbers[node] = self.nodes.add_leaf(family, column, part.leaf_values[leaf])
            elif kind == PRODUCT:
                numbers[node] = self.nodes.add_product(below)
            else:
                numbers[node] = self.nodes.add_sum(below, list(part.log_weights[edges]))
        return self.nodes.add_sum([numbers[root]], [-log_z])


def _log_partition(nodes: Nodes, root: int) -> float:
    """log of the root, every indicator being 1."""
    values = [0.0] * (root + 1)
    for node in range(root + 1):
        edges = range(nodes.offsets[node], nodes.offsets[node + 1])
        below = [values[nodes.children[e]] + nodes.log_weights[e] for e in edges]
        if nodes.kinds[node] == PRODUCT:
            values[node] = math.fsum(below)
        elif nodes.kinds[node] != LEAF:
            top = max(below)
            finite = math.isfinite(top)
            total = math.fsum(math.exp(value - top) for value in below) if finite else 1.0
            values[node] = top + math.log(total)
    return values[root]


def load(source: Source) -> Circuit:
    """The circuit, column v being X{v}. Raises FileError with file and line."""
    structure = _structure(source)
    below = {own: node.children for own, node in structure.items()}
    for own, children in below.items():
        for child in children:
            if child not in structure or structure[child].kind == _NONE:
                raise FileError(f"node {own} has the child {child}, which is not there")
    if 0 not in structure or structure[0].kind == _NONE:
        raise FileError("there is no node 0, the root")
    joined, numbers = _Joined(source), dict[int, int]()
    for own in children_first(0, below):
        node = structure[own]
        children = [numbers[child] for child in node.children]
        if node.kind == _LEAF:
            numbers[own] = joined.leaf(own, node.columns)
        elif node.kind == _PRODUCT:
            numbers[own] = joined.nodes.add_product(children)
        else:
            numbers[own] = joined.nodes.add_sum(children, node.log_weights)
    names = [f"X{v}" for v in range(max(structure[0].columns) + 1)]
    if max(joined.nodes.leaf_variable) >= len(names):
        raise FileError("a leaf has a variable that the root does not have")
    return assemble(joined.nodes, numbers[0], names, {})


def recognises(start: bytes) -> bool:
    """Whether the first line is that of such a network."""
    return start.split(maxsplit=1)[:1] == [b"spac"]


LIBRA_SPN = reading("libra-spn", "Libra SPN", (".m",), load, recognises, (".ac",))
