"""Circuits of Juice (ProbabilisticCircuits.jl) as text (.jpc).

A line is a node with its id and vtree id: L literal, I indicator, C categorical, B binomial, P
product, S sum with log-weights. The last node is the root. Variable v of the file is column
v - 1, states count from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import BinaryIO

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
from pccore.files.importing.nodes import LEAF, PRODUCT, Nodes
from pccore.files.importing.unroll import unrolled
from pccore.graph import Circuit
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.indicator import Indicator

_MAX_ID = 2**62


class _Reader:
    """Turns lines into nodes."""

    def __init__(self, source: Source) -> None:
        self.limits = source.limits
        self.nodes = Nodes(source.limits)
        self.numbers: dict[int, int] = {}
        self.states: dict[int, int] = {}
        self.variables = 0
        self._makers: Mapping[bytes, Callable[[list[bytes]], int]] = {
            b"L": self._literal,
            b"I": self._indicator,
            b"C": self._categorical,
            b"B": self._binomial,
            b"P": self._product,
            b"S": self._sum,
        }

    def add(self, words: list[bytes]) -> None:
        """The node of one line. Raises FileError without a place."""
        if words[0] == b"jpc":
            return
        make = self._makers.get(words[0])
        if make is None:
            raise FileError(f"a line starts with jpc, L, I, C, B, P, S or c, not {shown(words[0])}")
        if len(words) < 4:
            raise FileError("the line ends too early")
        own = integer(words[1], "the id", 0, _MAX_ID)
        if own in self.numbers:
            raise FileError(f"there are two nodes {own}")
        self.numbers[own] = make(words)

    def _variable(self, value: int) -> int:
        if not 1 <= value <= self.limits.max_variables:
            raise FileError(f"{value} is no variable: they start at 1")
        self.variables = max(self.variables, value)
        return value - 1

    def _state(self, variable: int, state: int) -> int:
        self.states[variable] = max(self.states.get(variable, 2), state + 1)
        return self.nodes.literal(variable, state)

    def _literal(self, words: list[bytes]) -> int:
        count_is(words, 4, "a literal")
        value = integer(words[3], "the literal", -_MAX_ID, _MAX_ID)
        return self._state(self._variable(abs(value)), int(value > 0))

    def _indicator(self, words: list[bytes]) -> int:
        count_is(words, 5, "an indicator")
        variable = self._variable(integer(words[3], "the variable", 1, _MAX_ID))
        if words[4] in (b"true", b"false"):
            return self._state(variable, int(words[4] == b"true"))
        return self._state(variable, integer(words[4], "the state", 0, 2**20 - 1))

    def _categorical(self, words: list[bytes]) -> int:
        variable = self._variable(integer(words[3], "the variable", 1, _MAX_ID))
        logs = log_weights(words[4:])
        if not logs:
            raise FileError("a categorical leaf needs probabilities")
        values = tuple(math.exp(value) for value in logs)
        total = math.fsum(values)
        if abs(total - 1) > 1e-3:
            raise FileError(f"the probabilities add up to {total:g}")
        family = Categorical(len(values))
        return self.nodes.add_leaf(family, variable, tuple(p / total for p in values))

    def _binomial(self, words: list[bytes]) -> int:
        count_is(words, 6, "a binomial leaf")
        variable = self._variable(integer(words[3], "the variable", 1, _MAX_ID))
        trials = integer(words[4], "the number of trials", 1, 2**20)
        p = math.exp(log_weights(words[5:])[0])
        return self.nodes.add_leaf(Binomial(trials), variable, (min(1.0, p) if p < 1.001 else p,))

    def _below(self, words: list[bytes]) -> list[int]:
        try:
            return [self.numbers[child] for child in integers(words, "children")]
        except KeyError as missing:
            raise FileError(f"there is no earlier node {missing}") from None

    def _product(self, words: list[bytes]) -> int:
        count = integer(words[3], "the number of children", 1, len(words))
        count_is(words, 4 + count, f"a product of {count} children")
        return self.nodes.add_product(self._below(words[4:]))

    def _sum(self, words: list[bytes]) -> int:
        count = integer(words[3], "the number of children", 1, len(words))
        count_is(words, 4 + 2 * count, f"a sum over {count} children")
        return self.nodes.add_sum(self._below(words[4::2]), log_weights(words[5::2]))


def load(source: Source) -> Circuit:
    """The circuit of a Juice text. Raises FileError with the line."""
    reader = _Reader(source)
    each_line(words_of(source), reader.add)
    if not reader.numbers:
        raise FileError("there are no nodes")
    reader.nodes.widen(reader.states)
    root = reader.numbers[next(reversed(reader.numbers))]
    return assemble(reader.nodes, root, [f"X{v}" for v in range(reader.variables)], {})


def recognises(start: bytes) -> bool:
    """Whether a header line is among the first ones."""
    return any(line.startswith(b"jpc ") for line in start.splitlines())


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the nodes one by one; raises FileError for leaves that are not finite, and several
    roots. Names are not kept."""
    nodes = unrolled(circuit)
    stream.write(b"c written by pccore\n" + f"jpc {len(nodes)}\n".encode())
    for node, kind in enumerate(nodes.kinds):
        edges = slice(nodes.offsets[node], nodes.offsets[node + 1])
        children = nodes.children[edges]
        if kind == LEAF:
            leaf = nodes.leaf[node]
            family = nodes.families[nodes.leaf_family[leaf]]
            line = _leaf(node, family, nodes.leaf_variable[leaf] + 1, nodes.leaf_values[leaf])
        elif kind == PRODUCT:
            line = f"P {node} 0 {len(children)} {' '.join(map(str, children))}"
        else:
            pairs = zip(children, nodes.log_weights[edges], strict=True)
            line = f"S {node} 0 {len(children)} " + " ".join(f"{c} {w!r}" for c, w in pairs)
        stream.write(line.encode() + b"\n")


def _leaf(node: int, family: LeafFamily, variable: int, values: tuple[float, ...]) -> str:
    def log(p: float) -> str:
        return repr(math.log(p) if p > 0 else -math.inf)

    if isinstance(family, Indicator):
        return f"I {node} 0 {variable} {int(values[0])}"
    if isinstance(family, Bernoulli):
        return f"C {node} 0 {variable} {log(1 - values[0])} {log(values[0])}"
    if isinstance(family, Categorical):
        return f"C {node} 0 {variable} {' '.join(map(log, values))}"
    if isinstance(family, Binomial):
        return f"B {node} 0 {variable} {family.trials} {log(values[0])}"
    raise FileError(f"the format cannot hold {family.name} leaves")


_FAMILIES = ("indicator", "bernoulli", "categorical", "binomial")

JPC = reading("jpc", "Juice circuit", (".jpc",), load, recognises, save=save, families=_FAMILIES)
