"""Logistic circuits (.circuit), as LogisticCircuit writes them: classifiers, one root an output.

The logit of a complete binary row is the bias plus the parameters of the wires and literals that it
turns on. Their circuit is deterministic, so the logit is the log of the product of exp(parameter)
over these, which is log S(x) of a sum-product circuit with the weights exp(parameter): root c has
log S_c(x) = logit_c(x), and the softmax of the roots (the sigmoid of a single one) is P(class | x).

Source: Liang and Van den Broeck, "Learning logistic circuits", 2019, eqs. 1 to 4.
"""

from __future__ import annotations

import math

from pccore.errors import FileError
from pccore.files.base import Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import at_line, count_is, integer, shown, words_of
from pccore.files.importing.nodes import Nodes
from pccore.graph import Circuit

_MAX_ID = 2**62
#: Classes of one circuit, each of which has the nodes once.
_MAX_OUTPUTS = 1000
#: The largest log-weight of an edge; more of it is passed on to further sums, so that weights fit
#: into single precision.
_LARGEST = 80.0
#: Parameters of regressions may be large, those of nothing sensible so large.
_LARGEST_PARAMETER = 1e6
_HEADERS = (b"Logisitic", b"Logistic", b"Regression")


class _Reader:
    """Turns lines into nodes, one for each output."""

    def __init__(self, source: Source) -> None:
        self.limits = source.limits
        self.nodes = Nodes(source.limits)
        self.numbers: dict[int, list[int]] = {}
        self.root: list[int] = []
        self.outputs = 0
        self.variables = 0
        self.finished = False

    def add(self, words: list[bytes]) -> None:
        """The node of one line. Raises FileError without a place."""
        kind = words[0]
        if kind in _HEADERS and not self.numbers:
            return
        if self.finished:
            raise FileError("there is a line after the bias")
        if kind == b"B":
            self._bias(words)
            return
        if kind not in (b"T", b"F", b"D"):
            raise FileError(f"a line starts with T, F, D, B or c, not {shown(kind)}")
        if len(words) < 5:
            raise FileError("the line ends too early")
        own = integer(words[1], "the id", 0, _MAX_ID)
        if own in self.numbers:
            raise FileError(f"there are two nodes {own}")
        self.numbers[own] = self._decision(words) if kind == b"D" else self._literal(words)

    def _parameters(self, words: list[bytes]) -> list[float]:
        """One for each output."""
        if not self.outputs:
            if not 1 <= len(words) <= _MAX_OUTPUTS:
                raise FileError(f"{len(words)} outputs are not from 1 to {_MAX_OUTPUTS}")
            self.outputs = len(words)
        count_is(words, self.outputs, "a list of parameters")
        values = [float(word) for word in words]
        for value in values:
            if not abs(value) <= _LARGEST_PARAMETER:  # NaN as well
                raise FileError(f"the parameter {value:g} is not a number of a sensible size")
        return values

    def _weighed(self, child: int, log_weight: float) -> tuple[int, float]:
        """(a node, the weight that is left) whose product is the child times its weight."""
        while abs(log_weight) > _LARGEST:
            part = math.copysign(_LARGEST, log_weight)
            child = self.nodes.add_sum([child], [part])
            log_weight -= part
        return child, log_weight

    def _times(self, child: int, log_weight: float) -> int:
        child, rest = self._weighed(child, log_weight)
        return self.nodes.add_sum([child], [rest])

    def _literal(self, words: list[bytes]) -> list[int]:
        variable = integer(words[3], "the variable", 1, self.limits.max_variables)
        self.variables = max(self.variables, variable)
        leaf = self.nodes.literal(variable - 1, int(words[0] == b"T"))
        return [self._times(leaf, value) for value in self._parameters(words[4:])]

    def _decision(self, words: list[bytes]) -> list[int]:
        count = integer(words[3], "the number of elements", 1, len(words))
        if not self.outputs:
            raise FileError("a decision stands before every literal")
        width = 2 + self.outputs
        count_is(words, 4 + width * count, f"a decision over {count} elements")
        sums: list[tuple[list[int], list[float]]] = [([], []) for _ in range(self.outputs)]
        for start in range(4, len(words), width):
            try:
                prime, sub = (self.numbers[int(word)] for word in words[start : start + 2])
            except KeyError as missing:
                raise FileError(f"there is no earlier node {missing}") from None
            values = self._parameters(words[start + 2 : start + width])
            for c, value in enumerate(values):
                product = self.nodes.add_product((prime[c], sub[c]))
                node, rest = self._weighed(product, value)
                sums[c][0].append(node)
                sums[c][1].append(rest)
        self.root = [self.nodes.add_sum(*terms) for terms in sums]
        return self.root

    def _bias(self, words: list[bytes]) -> None:
        if not self.root:
            raise FileError("there is no decision before the bias")
        values = self._parameters(words[1:])
        self.root = [self._times(*pair) for pair in zip(self.root, values, strict=True)]
        self.finished = True


def load(source: Source) -> Circuit:
    """The circuit, a root for each output; variable v of the file is column v - 1.

    Raises FileError with the line.
    """
    reader = _Reader(source)
    for line, words in words_of(source):
        with at_line(line):
            flat = b" ".join(words).replace(b"(", b" ").replace(b")", b" ").split()
            reader.add(flat)
    if not reader.finished:
        raise FileError("there is no line with the bias: the file ends too early")
    names = [f"X{v}" for v in range(reader.variables)]
    meta = {
        "title": "Logistic circuit",
        "story": "A classifier: log S of root c is the logit of output c for a complete row.",
    }
    return assemble(reader.nodes, reader.root, names, meta)


def recognises(start: bytes) -> bool:
    """Whether the header of a logistic circuit is among the first lines."""
    return any(
        line.split()[:2] in [[h, b"Circuit"] for h in _HEADERS] for line in start.splitlines()
    )


LOGISTIC = reading("circuit", "Logistic circuit", (".circuit",), load, recognises)
