"""Models of SPFlow as spn-compiler stores them (.bin): Cap'n Proto, schema spflow.capnp.

Leaves are evaluated as they are there: histograms as they stand, and a missing variable counts 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from pccore.errors import FileError
from pccore.files.base import Limits, Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.capnp import List, Message, Struct
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import log_weight
from pccore.files.importing.nodes import Nodes
from pccore.graph import Circuit
from pccore.leaves.base import LeafFamily
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.histogram import Histogram

_KINDS: Mapping[int, str] = MappingProxyType(
    {0: "product", 1: "sum", 2: "histogram", 3: "gaussian", 4: "categorical"}
)
_MAX_STATES = 2**20


class _Reader:
    """Turns structs into nodes."""

    def __init__(self, limits: Limits) -> None:
        self.nodes = Nodes(limits)
        self.limits = limits
        self.numbers: dict[int, int] = {}
        self.variables = 0

    def add(self, node: Struct) -> None:
        """One node; its children came before. Raises FileError."""
        own = node.integer("i", 0)
        if own in self.numbers:
            raise FileError(f"there are two nodes {own}")
        kind = _KINDS.get(node.integer("H", 6))
        body = node.struct(0)
        if kind is None:
            raise FileError("the node is of no known kind")
        if kind == "product":
            self.numbers[own] = self.nodes.add_product(self._children(body))
        elif kind == "sum":
            children = self._children(body)
            weights = [log_weight(w) for w in body.numbers(1, "<f8").tolist()]
            if len(weights) != len(children):
                raise FileError(f"{len(children)} children have {len(weights)} weights")
            self.numbers[own] = self.nodes.add_sum(children, weights)
        else:
            self.numbers[own] = self._leaf(kind, body)

    def _children(self, body: Struct) -> list[int]:
        children = [int(child) for child in body.numbers(0, "<i4").tolist()]
        if not children:
            raise FileError("the node has no children")
        for child in children:
            if child not in self.numbers:
                raise FileError(f"there is no earlier node {child}")
        return [self.numbers[child] for child in children]

    def _leaf(self, kind: str, body: Struct) -> int:
        family: LeafFamily
        if kind == "histogram":
            variable, values = body.integer("i", 4), _table(body)
            family = Histogram(len(values))
        elif kind == "gaussian":
            variable = body.integer("i", 16)
            mean, deviation = float(body.number("d", 0)), float(body.number("d", 8))
            if not (math.isfinite(mean) and 0 < deviation < 1e150):
                raise FileError(f"a Gaussian has the mean {mean:g} and the deviation {deviation:g}")
            family, values = Gaussian(), (mean, deviation * deviation)
        else:
            variable, found = body.integer("i", 0), body.numbers(0, "<f8").tolist()
            total = math.fsum(found)
            if not found or not abs(total - 1) < 1e-2 or min(found) < 0:
                raise FileError(f"the probabilities of a leaf add up to {total:g}, not to 1")
            family, values = Categorical(len(found)), tuple(value / total for value in found)
        self.variables = max(self.variables, variable + 1)
        return self.nodes.add_leaf(family, variable, values)


def _table(body: Struct) -> tuple[float, ...]:
    """A density for each state: bin i holds the states from breaks[i] to below breaks[i + 1]."""
    breaks = [int(value) for value in body.numbers(0, "<i4").tolist()]
    densities = body.numbers(1, "<f8").tolist()
    if len(breaks) != len(densities) + 1 or not densities:
        raise FileError("a histogram needs breaks, one more than densities")
    if breaks[0] < 0 or breaks[-1] > _MAX_STATES or any(a >= b for a, b in pairwise(breaks)):
        raise FileError(f"the breaks of a histogram must rise from 0 or more to {_MAX_STATES}")
    states = [0.0] * breaks[0]
    for (low, high), density in zip(pairwise(breaks), densities, strict=True):
        states += [density] * (high - low)
    return tuple(states)


def load(source: Source) -> Circuit:
    """The circuit; the variable with index v in the file is column v. Raises FileError."""
    header = Message(source.stream.read(source.size)).root()
    kind = header.integer("H", 0)
    if kind > 1:
        raise FileError("the message is neither a model nor a query")
    model = header.struct(0) if kind == 0 else header.struct(0).struct(0).struct(0)
    found = model.pointer(3)
    if not isinstance(found, List):
        raise FileError("there are no nodes")
    reader = _Reader(source.limits)
    for number, node in enumerate(found.structs()):
        try:
            reader.add(node)
        except FileError as error:
            raise FileError(error.message, where=f"node {number}", hint=error.hint) from None
    root = reader.numbers.get(model.integer("i", 0))
    if root is None:
        raise FileError(f"the root {model.integer('i', 0)} is not there")
    count = max(reader.variables, min(model.integer("i", 4), source.limits.max_variables))
    return assemble(reader.nodes, root, [f"X{v}" for v in range(count)], {})


SPNC = reading("spnc", "SPFlow, spn-compiler", (".bin",), load)
