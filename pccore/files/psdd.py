"""Probabilistic sentential decision diagrams (.psdd), as libpsdd, PySDD and LearnPSDD write them.

A decision node is a sum over elements theta * prime * sub, with log(theta) in the file; the units
and edges of the circuit are those of the file, and the last node is the root. Kisa et al. 2014,
"Probabilistic sentential decision diagrams".
"""

from __future__ import annotations

import math

from pccore.errors import FileError
from pccore.files.base import Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import (
    count_is,
    each_line,
    integer,
    integers,
    log_weights,
    shown,
    words_of,
)
from pccore.files.importing.nodes import Nodes
from pccore.files.importing.vtree import vtree_beside
from pccore.graph import Circuit
from pccore.leaves.bernoulli import Bernoulli

_MAX_ID = 2**62
#: exp(log p) may exceed 1 by what printing with few digits does.
_SLACK = 1e-5


class _Reader:
    """Turns lines into nodes."""

    def __init__(self, source: Source) -> None:
        self.limits = source.limits
        self.nodes = Nodes(source.limits)
        self.numbers: dict[int, int] = {}
        self.variables = 0

    def add(self, words: list[bytes]) -> None:
        """The node of one line. Raises FileError without a place."""
        kind = words[0]
        if kind == b"psdd":
            return  # the count of nodes in the header is often wrong
        if kind not in (b"L", b"T", b"D"):
            raise FileError(f"a line starts with psdd, L, T, D or c, not {shown(kind)}")
        if len(words) < 4:
            raise FileError("the line ends too early")
        own = integer(words[1], "the id", 0, _MAX_ID)
        if own in self.numbers:
            raise FileError(f"there are two nodes {own}")
        if kind == b"L":
            node = self._literal(words)
        elif kind == b"T":
            node = self._bernoulli(words)
        else:
            node = self._decision(words)
        self.numbers[own] = node

    def _variable(self, word: bytes, low: int) -> int:
        value = integer(word, "the variable", low, self.limits.max_variables)
        if value == 0:
            raise FileError("variables start at 1")
        self.variables = max(self.variables, abs(value))
        return value

    def _literal(self, words: list[bytes]) -> int:
        count_is(words, 4, "a literal")
        literal = self._variable(words[3], -self.limits.max_variables)
        return self.nodes.literal(abs(literal) - 1, int(literal > 0))

    def _bernoulli(self, words: list[bytes]) -> int:
        count_is(words, 5, "a true node")
        variable = self._variable(words[3], 1)
        log_p = log_weights(words[4:])[0]
        if log_p > _SLACK:
            raise FileError(f"log P = {log_p:g} is above 0")
        return self.nodes.add_leaf(Bernoulli(), variable - 1, (math.exp(min(0.0, log_p)),))

    def _decision(self, words: list[bytes]) -> int:
        count = integer(words[3], "the number of elements", 1, len(words))
        count_is(words, 4 + 3 * count, f"a decision over {count} elements")
        numbers = self.numbers
        primes, subs = integers(words[4::3], "primes"), integers(words[5::3], "subs")
        try:
            pairs = [(numbers[p], numbers[s]) for p, s in zip(primes, subs, strict=True)]
        except KeyError as missing:
            raise FileError(f"there is no earlier node {missing}") from None
        thetas = log_weights(words[6::3])
        elements = [self.nodes.add_product(pair) for pair in pairs]
        return self.nodes.add_sum(elements, thetas)


def load(source: Source) -> Circuit:
    """The circuit of a PSDD; variable v of the file is column v - 1. A vtree beside it is read
    for the number of variables. Raises FileError with the line."""
    reader = _Reader(source)
    each_line(words_of(source), reader.add)
    if not len(reader.nodes):
        raise FileError("there are no nodes")
    tree = vtree_beside(source)
    if tree is not None and tree.variables < reader.variables:
        raise FileError(
            f"the vtree beside it has no variable {reader.variables}",
            hint="is it the vtree of another circuit?",
        )
    root = list(reader.numbers.values())[-1]
    names = [f"X{v}" for v in range(reader.variables)]
    return assemble(reader.nodes, root, names, {})


def recognises(start: bytes) -> bool:
    """Whether a header line of a PSDD is among the first ones."""
    return any(line.startswith(b"psdd ") for line in start.splitlines())


PSDD = reading("psdd", "PSDD", (".psdd",), load, recognises, (".vtree",))
